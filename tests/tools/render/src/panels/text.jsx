import { PanelPlugin, renderTextPanelMarkdown } from '@grafana/data';
import React from 'react';

import { panelOptions } from '../field_config.js';

function Text({ options, replaceVariables, height }) {
  const filled = replaceVariables(options.content, {}, 'html');
  const html = options.mode === 'html' ? filled : renderTextPanelMarkdown(filled);
  return (
    <div
      className="markdown-html"
      style={{ height, overflow: 'auto' }}
      dangerouslySetInnerHTML={{ __html: html }}
    />
  );
}

export const text = new PanelPlugin(Text).setPanelOptions(
  panelOptions({ mode: 'markdown', content: '' })
);
text.meta = { skipDataQuery: true };
