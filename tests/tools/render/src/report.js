/* What a person would notice, panel by panel: tests/tools/render/browser.py says what it means. */

import { FieldType, getFieldDisplayName } from '@grafana/data';
import { VizPanel, sceneGraph } from '@grafana/scenes';

export function report(scene) {
  const panels = sceneGraph.findAllObjects(scene, (each) => each instanceof VizPanel && each.isActive);
  const root = document.documentElement;
  return {
    panels: panels.map(ofPanel),
    height: height(),
    overflow: root.scrollWidth > root.clientWidth,
  };
}

export function height() {
  return Math.ceil(document.getElementById('root').getBoundingClientRect().height);
}

function ofPanel(panel) {
  const element = document.querySelector(`[data-viz-panel-key="${panel.state.key}"]`);
  const provider = panel.state.$data;
  const data = provider?.state.data;
  const shown = data ? panel.applyFieldConfig(data).series : [];
  const box = element.getBoundingClientRect();
  return {
    id: panel.getLegacyPanelId(),
    type: panel.state.pluginId,
    title: panel.interpolate(panel.state.title, undefined, 'text'),
    title_cut: titleIsCut(element),
    error: error(panel, data, element),
    empty: Boolean(provider) && !shown.some(hasValue),
    series: names(panel.state.pluginId, shown),
    text: element.innerText,
    cut: cutTexts(element),
    smallest: smallest(element),
    scrolls: [...element.querySelectorAll('*')].some(scrolls),
    box: [box.x, box.y, box.width, box.height].map(Math.round),
  };
}

function titleIsCut(element) {
  const title = element.querySelector('h2');
  return Boolean(title) && title.scrollWidth > title.clientWidth;
}

/* What else is cut off at the side: names in legends, cells of tables, numbers beyond the panel. */
function cutTexts(element) {
  const { left, right } = element.getBoundingClientRect();
  const beyond = (each) => {
    const box = textBox(each);
    return (box.left < left - 1 || box.right > right + 1) && !scrolled(each, element);
  };
  return withText(element)
    .filter((each) => each.tagName !== 'H2')
    .filter((each) => beyond(each) || (each.scrollWidth > each.clientWidth + 1 && hides(each)))
    .map((each) => each.innerText);
}

function hides(element) {
  return getComputedStyle(element).overflowX !== 'visible';
}

function textBox(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  return range.getBoundingClientRect();
}

/* Whether one can scroll to it within the panel. */
function scrolled(element, panel) {
  for (let each = element; each !== panel; each = each.parentElement) {
    if (scrolls(each)) {
      return true;
    }
  }
  return false;
}

/* The elements that have a text of their own. */
function withText(element) {
  const written = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
  return [...element.querySelectorAll('*')].filter((each) => [...each.childNodes].some(written));
}

function smallest(element) {
  const sizes = withText(element).map((each) => parseFloat(getComputedStyle(each).fontSize));
  return sizes.length ? Math.min(...sizes) : null;
}

function scrolls(element) {
  const { overflowX, overflowY } = getComputedStyle(element);
  const open = (overflow) => overflow === 'auto' || overflow === 'scroll';
  return (
    (open(overflowY) && element.scrollHeight > element.clientHeight + 1) ||
    (open(overflowX) && element.scrollWidth > element.clientWidth + 1)
  );
}

function error(panel, data, element) {
  if (panel.state._pluginLoadError) {
    return panel.state._pluginLoadError;
  }
  const told = (data?.errors ?? []).map((each) => each.message);
  const broken = element.querySelector('[data-testid="data-testid Alert error"]');
  return [...told, ...(broken ? [broken.innerText] : [])].join(', ') || null;
}

function hasValue(frame) {
  return frame.fields.some(
    (field) => field.type !== FieldType.time && [...field.values].some((each) => each != null)
  );
}

/* The names that a person reads; a table's are those of its columns. */
function names(type, frames) {
  return frames.flatMap((frame) =>
    frame.fields
      .filter((field) => type === 'table' || field.type === FieldType.number)
      .filter((field) => !(field.config.custom?.hideFrom?.viz ?? field.config.custom?.hidden))
      .map((field) => getFieldDisplayName(field, frame, frames))
  );
}
