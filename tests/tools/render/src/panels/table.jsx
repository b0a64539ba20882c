import { FieldType, PanelPlugin, cacheFieldDisplayNames } from '@grafana/data';
import { TableNG } from '@grafana/ui/unstable';
import React, { useMemo } from 'react';

import { fieldConfig, panelOptions } from '../field_config.js';
import { NoData } from './no_data.jsx';

const HIGHEST = Infinity;

function Table({ data, options, fieldConfig: config, timeRange, width, height }) {
  useMemo(() => cacheFieldDisplayNames(data.series), [data.series]); // headers, and what is sorted by
  const frame = data.series[options.frameIndex] ?? data.series[0];
  if (!frame?.fields.length || !frame.length) {
    return <NoData config={config} />;
  }
  return (
    <TableNG
      data={withFooter(frame, options.footer)}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      showTypeIcons={options.showTypeIcons}
      resizable={false}
      initialSortBy={options.sortBy}
      cellHeight={options.cellHeight}
      enablePagination={options.footer?.enablePagination}
      timeRange={timeRange}
      fieldConfig={config}
      maxRowHeight={options.maxRowHeight ?? HIGHEST}
      enableVirtualization={false}
      getActions={() => []}
    />
  );
}

/* A footer as an option of the panel, which Grafana 12 makes one of each field when it loads it. */
function withFooter(frame, footer) {
  if (!footer?.show) {
    return frame;
  }
  const named = [footer.fields].flat().filter(Boolean);
  const fields = frame.fields.map((field) => {
    const summed = named.length ? named.includes(field.name) : field.type === FieldType.number;
    const custom = { ...field.config.custom, footer: { reducers: summed ? footer.reducer : [] } };
    return { ...field, config: { ...field.config, custom } };
  });
  return { ...frame, fields };
}

const CUSTOM = {
  align: 'auto',
  cellOptions: { type: 'auto' },
  width: undefined,
  minWidth: 150,
  filterable: undefined,
  hidden: undefined,
  hideFrom: undefined,
  inspect: false,
  wrapText: undefined,
  wrapHeaderText: undefined,
  footer: { reducers: [] },
};

export const table = new PanelPlugin(Table)
  .useFieldConfig(fieldConfig(CUSTOM))
  .setPanelOptions(
    panelOptions({ frameIndex: 0, showHeader: true, cellHeight: 'sm', showTypeIcons: false })
  );
