/* What "now" is for a page that shows another time. */

import moment from 'moment';

/* Call a function that makes scene objects: they read the clock as they are made. Only then does it
stand still, as timers go by it. `now` is in ms since 1970; without it the clock's time is now. */
export function at(now, call) {
  const { now: running } = Date;
  if (now) {
    moment.now = () => now;
    Date.now = () => now;
  }
  try {
    return call();
  } finally {
    Date.now = running;
  }
}
