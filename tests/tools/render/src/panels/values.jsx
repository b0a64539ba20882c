/* What stat, gauge and bar gauge have in common: reduced values, each shown in its own place. */

import {
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  VizOrientation,
} from '@grafana/data';
import { VizRepeater, useTheme2 } from '@grafana/ui';
import React from 'react';

export const REDUCED = {
  reduceOptions: { values: false, calcs: ['lastNotNull'], fields: '' },
  orientation: VizOrientation.Auto,
};

export function fieldValues({ data, fieldConfig, options, replaceVariables, timeZone }, theme, more) {
  return getFieldDisplayValues({
    fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables,
    theme,
    data: data.series,
    timeZone,
    ...more,
  });
}

/* `render` gets what VizRepeater gives and the panel's theme. */
export function Repeated({ panel, render, spare, more, ...others }) {
  const theme = useTheme2();
  return (
    <VizRepeater
      getValues={() => fieldValues(panel, theme, more)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={(given) => render(given, theme)}
      width={panel.width}
      height={panel.height}
      source={panel.data}
      renderCounter={panel.renderCounter}
      orientation={panel.options.orientation}
      {...others}
    />
  );
}
