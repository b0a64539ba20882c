import { FieldColorModeId, FieldType, PanelPlugin, cacheFieldDisplayNames } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';
import React, { useMemo } from 'react';

import { fieldConfig, panelOptions } from '../field_config.js';
import { NoData } from './no_data.jsx';

function Graph({ data, options, fieldConfig: config, timeRange, timeZone, width, height }) {
  const frames = useMemo(() => graphable(data.series), [data.series]);
  if (!frames.length) {
    return <NoData config={config} />;
  }
  return (
    <TimeSeries
      frames={frames}
      structureRev={data.structureRev}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    />
  );
}

/* The frames that have times and numbers, of which booleans are some. */
function graphable(series) {
  cacheFieldDisplayNames(series);
  return series
    .filter((frame) => frame.length && frame.fields.some(({ type }) => type === FieldType.time))
    .map((frame) => ({ ...frame, fields: frame.fields.map(numeric) }))
    .filter((frame) => frame.fields.some(({ type }) => type === FieldType.number));
}

function numeric(field) {
  if (field.type !== FieldType.boolean) {
    return field;
  }
  const values = field.values.map((each) => (each == null ? each : Number(each)));
  const custom = { ...field.config.custom, lineInterpolation: 'stepAfter' };
  const config = { ...field.config, min: 0, max: 1, custom };
  return { ...field, type: FieldType.number, values, config };
}

const CUSTOM = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  barAlignment: 0,
  barWidthFactor: 0.6,
  barMaxWidth: undefined,
  lineWidth: 1,
  lineColor: undefined,
  lineStyle: { fill: 'solid' },
  fillOpacity: 0,
  fillBelowTo: undefined,
  gradientMode: 'none',
  spanNulls: false,
  insertNulls: false,
  showPoints: 'auto',
  pointSize: 5,
  stacking: { mode: 'none', group: 'A' },
  transform: undefined,
  axisPlacement: 'auto',
  axisLabel: '',
  axisColorMode: 'text',
  axisBorderShow: false,
  axisWidth: undefined,
  axisSoftMin: undefined,
  axisSoftMax: undefined,
  axisCenteredZero: false,
  axisGridShow: undefined,
  scaleDistribution: { type: 'linear' },
  hideFrom: { tooltip: false, viz: false, legend: false },
  thresholdsStyle: { mode: 'off' },
};

export const timeSeries = new PanelPlugin(Graph)
  .useFieldConfig(fieldConfig(CUSTOM, FieldColorModeId.PaletteClassic))
  .setPanelOptions(
    panelOptions({
      legend: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] },
      tooltip: { mode: 'single', sort: 'none' },
    })
  );
