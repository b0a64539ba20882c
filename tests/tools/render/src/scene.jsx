/* A dashboard's JSON as a scene: variables, time range, controls, and the grid of its panels. */

import { css } from '@emotion/css';
import { rangeUtil } from '@grafana/data';
import {
  EmbeddedScene,
  LocalValueVariable,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneObjectBase,
  SceneQueryRunner,
  SceneRefreshPicker,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
  sceneGraph,
} from '@grafana/scenes';
import { Icon, PanelChrome, useStyles2 } from '@grafana/ui';
import React from 'react';
import { Subject } from 'rxjs';

import { Controls, linked } from './controls.jsx';
import { arrange } from './grid.js';
import { variableSet } from './variables.js';

const SHARED = '-- Dashboard --';
const AS_MADE = { afterMs: Infinity }; // a time range does not move on before it is shown

export function makeScene(job) {
  const { dashboard, time } = job;
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({
      from: time.from ? new Date(time.from).toISOString() : (dashboard.time?.from ?? 'now-6h'),
      to: time.to ? new Date(time.to).toISOString() : (dashboard.time?.to ?? 'now'),
      timeZone: dashboard.timezone || 'browser',
      refreshOnActivate: AS_MADE,
    }),
    $variables: variableSet(dashboard, job.values),
    controls: [
      new Controls({
        variables: new VariableValueSelectors({}),
        times: [
          new SceneTimePicker({ isOnCanvas: true }),
          new SceneRefreshPicker({ refresh: dashboard.refresh ?? '', isOnCanvas: true }),
        ],
        links: linked(dashboard, job.others),
      }),
    ],
    body: new SceneGridLayout({ children: [], isLazy: false }),
  });
}

/* Resolves once each variable has what it offers. */
export function variablesDone(scene) {
  const set = scene.state.$variables;
  const loading = () =>
    !set.isActive || set.state.variables.some((each) => set.isVariableLoadingOrWaitingToUpdate(each));
  return new Promise((resolve) => {
    const look = () => (loading() ? requestAnimationFrame(look) : resolve());
    requestAnimationFrame(look);
  });
}

/* The panels come when the variables are known, as some are repeated for each of their values. */
export function fillGrid(scene, dashboard) {
  const children = arrange(dashboard.panels ?? [], (panel) => scopes(scene, panel.repeat)).flatMap(
    ({ row, scope, y, placed }) => {
      const items = placed.map((each) => gridItem(scene, each, scope));
      return row ? [gridRow(row, scope, y, items)] : items;
    }
  );
  scene.state.body.setState({ children });
}

/* For each chosen value of a variable a name for keys and a set with that value alone. */
function scopes(scene, name) {
  const variable = name && sceneGraph.lookupVariable(name, scene);
  if (!variable) {
    return undefined;
  }
  const { value, text, options } = variable.state;
  const chosen = [value].flat().includes('$__all')
    ? options.filter((each) => each.value !== '$__all').map((each) => [each.value, each.label])
    : [value].flat().map((each, index) => [each, [text].flat()[index]]);
  return chosen.map(([one, label], index) => ({
    key: `-repeat-${index}`,
    set: () =>
      new SceneVariableSet({
        variables: [new LocalValueVariable({ name, value: one, text: label })],
      }),
  }));
}

function gridRow(row, scope, y, children) {
  return new SceneGridRow({
    key: `row-${row.id}${scope?.key ?? ''}`,
    title: row.title,
    y,
    isCollapsed: row.collapsed ?? false,
    $variables: scope?.set(),
    children,
  });
}

function gridItem(scene, { panel, scope, x, y, width, height }, ofRow) {
  const key = `${ofRow?.key ?? ''}${scope?.key ?? ''}`.slice(1);
  return new SceneGridItem({
    x,
    y,
    width,
    height,
    $variables: scope?.set(),
    body: vizPanel(scene, panel, `${key && `${key}/`}panel-${panel.id}`),
  });
}

function vizPanel(scene, panel, key) {
  const back = sceneGraph.interpolate(scene, panel.timeFrom);
  return new VizPanel({
    key,
    pluginId: panel.type,
    title: panel.title ?? '',
    description: panel.description,
    options: panel.options ?? {},
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    displayMode: panel.transparent ? 'transparent' : 'default',
    hoverHeader: !panel.title && !back,
    $timeRange: back ? panelTimeRange(back, scene) : undefined,
    $data: panel.targets?.length ? data(panel, scene) : undefined,
  });
}

function data(panel, scene) {
  const source = panel.datasource?.uid === SHARED ? shared(panel, scene) : runner(panel);
  return new SceneDataTransformer({ $data: source, transformations: panel.transformations ?? [] });
}

function runner(panel) {
  return new SceneQueryRunner({
    datasource: panel.datasource,
    queries: panel.targets,
    maxDataPoints: panel.maxDataPoints,
    minInterval: panel.interval,
    maxDataPointsFromWidth: true,
  });
}

/* What another panel has asked for, before its transformations: the data source "Dashboard". */
class SharedData extends SceneObjectBase {
  constructor(state, scene) {
    super(state);
    this.addActivationHandler(() => {
      const key = `panel-${this.state.panelId}`;
      const panel = sceneGraph.findObject(
        scene,
        (each) => each instanceof VizPanel && each.state.key === key
      );
      if (!panel) {
        throw new Error(`There is no panel ${this.state.panelId} to show the data of`);
      }
      const source = panel.state.$data.state.$data;
      const take = ({ data: found }) => this.setState({ data: found });
      take(source.state);
      this._subs.add(source.subscribeToState(take));
    });
  }

  getResultsStream() {
    return new Subject();
  }

  isDataReadyToDisplay() {
    return Boolean(this.state.data);
  }

  cancelQuery() {}
}

function shared(panel, scene) {
  return new SharedData({ panelId: panel.targets[0].panelId, data: undefined }, scene);
}

/* The time range of a panel with "Relative time": from so long ago until now, and that it says. */
class PanelTimeRange extends SceneTimeRange {}

PanelTimeRange.Component = ({ model }) => {
  const style = useStyles2((theme) =>
    css({ color: theme.colors.text.link, gap: theme.spacing(0.5) })
  );
  return (
    <PanelChrome.TitleItem className={style}>
      <Icon name="clock-nine" size="sm" /> {rangeUtil.describeTimeRange(model.state)}
    </PanelChrome.TitleItem>
  );
};

function panelTimeRange(back, scene) {
  return new PanelTimeRange({
    from: back.startsWith('now') ? back : `now-${back}`,
    to: 'now',
    timeZone: scene.state.$timeRange.getTimeZone(),
    refreshOnActivate: AS_MADE,
  });
}
