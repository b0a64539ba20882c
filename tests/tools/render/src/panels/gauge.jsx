import { PanelPlugin } from '@grafana/data';
import React from 'react';

import { fieldConfig, panelOptions } from '../field_config.js';
import { REDUCED, Repeated } from './values.jsx';
import { Dial } from './dial.jsx';

function Gauge(panel) {
  return (
    <Repeated
      panel={panel}
      autoGrid
      render={({ value, width, height, count }, theme) => (
        <Dial
          value={value}
          width={width}
          height={height}
          theme={theme}
          named={count > 1 || Boolean(panel.fieldConfig.defaults.displayName)}
          {...panel.options}
        />
      )}
    />
  );
}

export const gauge = new PanelPlugin(Gauge).useFieldConfig(fieldConfig()).setPanelOptions(
  panelOptions({ ...REDUCED, showThresholdLabels: false, showThresholdMarkers: true })
);
