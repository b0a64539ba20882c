/* The row of controls: variables and links to other dashboards, then time range and refresh.

On a small screen the first two come below the others, as in Grafana.
*/

import { css } from '@emotion/css';
import { SceneObjectBase } from '@grafana/scenes';
import { LinkButton, useStyles2 } from '@grafana/ui';
import React from 'react';

/* State: `variables`, `times` (scene objects), `links` as `linked` returns them. */
export class Controls extends SceneObjectBase {}

Controls.Component = ({ model }) => {
  const styles = useStyles2(controlStyles);
  const { variables, times, links } = model.useState();
  return (
    <div className={styles.all}>
      <div className={styles.left}>
        <variables.Component model={variables} />
        <div className={styles.links}>
          {links.map((each) => (
            <LinkButton key={each.title} size="sm" variant="secondary" icon={each.icon} href="#">
              {each.title}
            </LinkButton>
          ))}
        </div>
      </div>
      <div className={styles.right}>
        {times.map((each) => (
          <each.Component key={each.state.key} model={each} />
        ))}
      </div>
    </div>
  );
};

function controlStyles(theme) {
  return {
    all: css({
      display: 'flex',
      alignItems: 'flex-start',
      gap: theme.spacing(1),
      width: '100%',
      paddingTop: theme.spacing(2),
      [theme.breakpoints.down('md')]: { flexDirection: 'column-reverse', alignItems: 'stretch' },
    }),
    left: css({ display: 'flex', flexWrap: 'wrap', flexGrow: 1, gap: theme.spacing(1) }),
    links: css({
      display: 'flex',
      flexWrap: 'wrap',
      flexGrow: 1,
      justifyContent: 'flex-end',
      gap: theme.spacing(1),
    }),
    right: css({ display: 'flex', justifyContent: 'flex-end', gap: theme.spacing(1) }),
  };
}

/* What Grafana makes of `links`: for a list of tags the other dashboards that have them all. */
export function linked(dashboard, others) {
  return (dashboard.links ?? []).flatMap((link) => {
    if (link.type !== 'dashboards') {
      return [{ title: link.title, icon: 'external-link-alt' }];
    }
    if (link.asDropdown) {
      return [{ title: link.title, icon: 'bars' }];
    }
    return others
      .filter((each) => each.uid !== dashboard.uid)
      .filter((each) => link.tags.every((tag) => each.tags.includes(tag)))
      .map((each) => ({ title: each.title, icon: 'apps' }))
      .sort((one, other) => one.title.localeCompare(other.title));
  });
}
