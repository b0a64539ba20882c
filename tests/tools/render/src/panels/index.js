/* The panels that there are, by their ids in a dashboard. Grafana's own come with its server. */

import { barGauge } from './bargauge.jsx';
import { gauge } from './gauge.jsx';
import { stat } from './stat.jsx';
import { table } from './table.jsx';
import { text } from './text.jsx';
import { timeSeries } from './timeseries.jsx';

export function panelPlugins() {
  const all = { timeseries: timeSeries, stat, gauge, bargauge: barGauge, table, text };
  for (const [id, plugin] of Object.entries(all)) {
    plugin.meta = {
      id,
      name: id,
      type: 'panel',
      module: '',
      baseUrl: '',
      info: { version: '', logos: {}, links: [], screenshots: [], author: {}, updated: '' },
      ...plugin.meta,
    };
  }
  return new Map(Object.entries(all));
}
