import { PanelPlugin } from '@grafana/data';
import {
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
} from '@grafana/ui';
import React from 'react';

import { fieldConfig, panelOptions } from '../field_config.js';
import { REDUCED, Repeated } from './values.jsx';

function Stat(panel) {
  const { options } = panel;
  const sparkline = options.graphMode !== BigValueGraphMode.None;
  return (
    <Repeated
      panel={panel}
      more={{ sparkline, percentChange: options.showPercentChange }}
      autoGrid
      render={({ value, alignmentFactors, width, height, count }, theme) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          count={count}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={textMode(panel)}
          alignmentFactors={alignmentFactors}
          text={options.text}
          disableWideLayout={!options.wideLayout}
          percentChangeColorMode={options.percentChangeColorMode}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}

/* The name of a value is shown when there are several, when it was given one, or no title is. */
function textMode({ options, fieldConfig: config, title }) {
  const named = config.defaults.displayName || !title;
  return options.textMode === BigValueTextMode.Auto && named
    ? BigValueTextMode.ValueAndName
    : options.textMode;
}

export const stat = new PanelPlugin(Stat).useFieldConfig(fieldConfig()).setPanelOptions(
  panelOptions({
    ...REDUCED,
    textMode: BigValueTextMode.Auto,
    wideLayout: true,
    colorMode: BigValueColorMode.Value,
    graphMode: BigValueGraphMode.Area,
    justifyMode: BigValueJustifyMode.Auto,
    showPercentChange: false,
    percentChangeColorMode: 'standard',
  })
);
