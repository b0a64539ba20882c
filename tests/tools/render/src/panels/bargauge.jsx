import { PanelPlugin, getDisplayProcessor } from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode } from '@grafana/schema';
import { BarGauge } from '@grafana/ui';
import React from 'react';

import { fieldConfig, panelOptions } from '../field_config.js';
import { REDUCED, Repeated } from './values.jsx';

const SPACING = 10; // px between bars
const LCD_SPACING = 2;

function Bars(panel) {
  const { options } = panel;
  const sized = options.sizing === 'manual';
  return (
    <Repeated
      panel={panel}
      itemSpacing={options.displayMode === BarGaugeDisplayMode.Lcd ? LCD_SPACING : SPACING}
      minVizWidth={sized ? options.minVizWidth : undefined}
      minVizHeight={sized ? options.minVizHeight : undefined}
      maxVizHeight={options.maxVizHeight}
      render={({ value, alignmentFactors, orientation, width, height, count }, theme) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0) ?? processor(value, theme)}
          alignmentFactors={count > 1 ? alignmentFactors : undefined}
          text={options.text}
          orientation={orientation}
          displayMode={options.displayMode}
          showUnfilled={options.showUnfilled}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          itemSpacing={SPACING}
          lcdCellWidth={12}
          width={width}
          height={height}
          theme={theme}
          isOverflow={false}
        />
      )}
    />
  );
}

function processor({ field, fieldType }, theme) {
  return getDisplayProcessor({ field: { config: field, type: fieldType }, theme });
}

export const barGauge = new PanelPlugin(Bars).useFieldConfig(fieldConfig()).setPanelOptions(
  panelOptions({
    ...REDUCED,
    displayMode: BarGaugeDisplayMode.Gradient,
    valueMode: BarGaugeValueMode.Color,
    namePlacement: BarGaugeNamePlacement.Auto,
    showUnfilled: true,
    sizing: 'auto',
    minVizWidth: 8,
    minVizHeight: 16,
    maxVizHeight: 300,
  })
);
