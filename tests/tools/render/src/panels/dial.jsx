/* A gauge's arc, as Grafana's looks: the value on a track, thresholds along the outside. Drawn here
because Grafana's own needs a library that npm does not ship. */

import { formattedValueToString } from '@grafana/data';
import React from 'react';

const START = 0.9; // of pi, clockwise from the right: a little below the left end
const END = 2.1;
const BELOW = Math.sin((END - 2) * Math.PI); // of the radius, how far the ends hang down
const WIDEST = 0.35; // of the radius, the track
const SHARE = { bar: 0.19, gap: 0.02, marker: 0.035 };
const FONT_RATIO = 0.6; // mean width of a character by its height
const NAME = 18; // px

export function Dial({ value, width, height, theme, named, showThresholdMarkers, showThresholdLabels, text }) {
  const { display, field } = value;
  const title = named && display.title ? NAME : 0;
  const outer = Math.max(5, Math.min(width / 2, (height - title) / (1 + BELOW)) - 2);
  const size = outer * 2;
  const marker = showThresholdMarkers ? Math.max(2, size * SHARE.marker) : 0;
  const radius = outer - marker - (marker ? size * SHARE.gap : 0);
  const bar = Math.min(size * SHARE.bar, radius * WIDEST);
  const { min = 0, max = 100 } = field;
  const share = (number) => Math.min(1, Math.max(0, (number - min) / (max - min || 1)));
  const shown = formattedValueToString(display);
  const room = (radius - bar) * 1.7;
  const font = text?.valueSize ?? Math.min(room / (shown.length * FONT_RATIO), size * 0.2);
  const middle = { x: width / 2, y: (height - title + outer * (1 - BELOW)) / 2 };
  const arc = (from, to, r, thick, color, key) => (
    <path key={key} d={path(middle, r, thick, from, to)} fill={color} />
  );
  return (
    <div style={{ width, height, position: 'relative' }}>
      <svg width={width} height={height - title} style={{ display: 'block', overflow: 'visible' }}>
        {arc(0, 1, radius, bar, theme.colors.background.secondary, 'track')}
        {Number.isFinite(display.numeric) &&
          arc(0, share(display.numeric), radius, bar, display.color, 'value')}
        {marker > 0 &&
          bands(field, theme, min, max).map(([from, to, color]) =>
            arc(share(from), share(to), outer, marker, color, from)
          )}
        {showThresholdLabels &&
          bands(field, theme, min, max).slice(1).map(([from]) => label(from, share(from), middle, outer, theme))}
        <text
          x={middle.x}
          y={middle.y + font * 0.1}
          textAnchor="middle"
          fontSize={font}
          fontWeight={500}
          fontFamily={theme.typography.fontFamily}
          fill={display.color ?? theme.colors.text.primary}
        >
          {shown}
        </text>
      </svg>
      {title > 0 && (
        <div
          style={{
            textAlign: 'center',
            fontSize: text?.titleSize ?? 14,
            lineHeight: `${NAME}px`,
            whiteSpace: 'nowrap',
            overflow: 'hidden',
            textOverflow: 'ellipsis',
          }}
        >
          {display.title}
        </div>
      )}
    </div>
  );
}

/* A ring's part between two shares of the way from the least to the most. */
function path({ x, y }, outer, thick, from, to) {
  const inner = outer - thick;
  const angle = (share) => Math.PI * (START + share * (END - START));
  const at = (r, share) => `${x + r * Math.cos(angle(share))} ${y + r * Math.sin(angle(share))}`;
  const large = (to - from) * (END - START) > 1 ? 1 : 0;
  return (
    `M ${at(outer, from)} A ${outer} ${outer} 0 ${large} 1 ${at(outer, to)} ` +
    `L ${at(inner, to)} A ${inner} ${inner} 0 ${large} 0 ${at(inner, from)} Z`
  );
}

/* [from, to, colour] of each threshold's stretch. */
function bands(field, theme, min, max) {
  const { steps = [], mode } = field.thresholds ?? {};
  const absolute = (number) => (mode === 'percentage' ? min + (number / 100) * (max - min) : number);
  const starts = steps.map((step) => Math.max(min, Number.isFinite(step.value) ? absolute(step.value) : min));
  return steps
    .map((step, index) => [starts[index], starts[index + 1] ?? max, step.color])
    .filter(([from, to]) => from < max && to > from)
    .map(([from, to, color]) => [from, Math.min(to, max), theme.visualization.getColorByName(color)]);
}

function label(value, share, { x, y }, outer, theme) {
  const angle = Math.PI * (START + share * (END - START));
  return (
    <text
      key={`label-${value}`}
      x={x + (outer + 10) * Math.cos(angle)}
      y={y + (outer + 10) * Math.sin(angle)}
      fontSize={12}
      textAnchor="middle"
      fill={theme.colors.text.secondary}
    >
      {value}
    </text>
  );
}
