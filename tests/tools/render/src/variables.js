/* A dashboard's variables as those of a scene. */

import {
  ConstantVariable,
  CustomVariable,
  DataSourceVariable,
  IntervalVariable,
  QueryVariable,
  SceneVariableSet,
  TextBoxVariable,
} from '@grafana/scenes';

const HIDDEN = 2;

/* `values` are those that a link to the dashboard would carry as var-NAME. */
export function variableSet(dashboard, values) {
  const list = dashboard.templating?.list ?? [];
  return new SceneVariableSet({ variables: list.map((each) => variable(each, values[each.name])) });
}

function variable(model, given) {
  const kept = model.current ?? {};
  const value = given ?? kept.value ?? '';
  const common = {
    name: model.name,
    label: model.label,
    description: model.description,
    hide: model.hide ?? 0,
    skipUrlSync: true,
  };
  const several = {
    ...common,
    value,
    text: given ?? kept.text ?? '',
    isMulti: model.multi ?? false,
    includeAll: model.includeAll ?? false,
    allValue: model.allValue || undefined,
    defaultToAll: Boolean(model.includeAll),
  };
  switch (model.type) {
    case 'query':
      return new QueryVariable({
        ...several,
        datasource: model.datasource,
        query: model.query,
        regex: model.regex ?? '',
        sort: model.sort ?? 0,
        refresh: model.refresh ?? 1,
      });
    case 'custom':
      return new CustomVariable({ ...several, query: model.query });
    case 'datasource':
      return new DataSourceVariable({
        ...several,
        pluginId: model.query,
        regex: model.regex ?? '',
        defaultOptionEnabled: kept.value === 'default',
      });
    case 'textbox':
      return new TextBoxVariable({ ...common, value: given ?? kept.value ?? model.query });
    case 'constant':
      return new ConstantVariable({ ...common, value: given ?? model.query, hide: HIDDEN });
    case 'interval':
      return new IntervalVariable({
        ...common,
        value,
        intervals: model.query.split(',').map((each) => each.trim()),
        autoEnabled: model.auto ?? false,
        autoStepCount: model.auto_count,
        autoMinInterval: model.auto_min,
      });
    default:
      throw new Error(`Variable ${model.name} is of type ${model.type}, which is unknown here`);
  }
}
