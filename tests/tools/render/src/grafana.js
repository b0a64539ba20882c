/* The services that Grafana's libraries expect of a running Grafana, as little as they need.

Rules: nothing here decides how a dashboard looks. What a service is asked for and cannot do ends
in an error, which the page's report shows.
*/

import {
  EventBusSrv,
  LoadingState,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  toDataFrame,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import {
  setAppEvents,
  setDataSourceSrv,
  setEchoSrv,
  setPluginImportUtils,
  setRunRequest,
  setTemplateSrv,
} from '@grafana/runtime';
import { catchError, from, map, of } from 'rxjs';

import { ServerDataSource } from './data_source.js';
import { standardFields } from './field_config.js';

export function startGrafana(job, plugins) {
  initPluginTranslations('grafana-scenes');
  setAppEvents(new EventBusSrv());
  setEchoSrv({ flush() {}, addBackend() {}, addEvent() {} });
  setRunRequest(runRequest);
  setTemplateSrv({
    getVariables: () => [],
    replace: (text) => text ?? '',
    containsTemplate: () => false,
    updateTimeRange() {},
  });
  setDataSourceSrv(dataSources(job));
  standardFieldConfigEditorRegistry.setInit(standardFields);
  standardTransformersRegistry.setInit(() =>
    [...new Set(Object.values(standardTransformers))].map((transformation) => ({
      id: transformation.id,
      name: transformation.name,
      transformation,
    }))
  );
  setPluginImportUtils({
    getPanelPluginFromCache: (id) => plugins.get(id),
    importPanelPlugin: async (id) => {
      throw new Error(`Panel plugin not found: ${id}`);
    },
  });
}

/* Each query of a request goes to the data source, and what comes back to the panel. */
function runRequest(dataSource, request) {
  request.startTime = Date.now();
  const targets = request.targets.filter((each) => !each.hide);
  const asked = targets.length
    ? from(dataSource.query({ ...request, targets }))
    : of({ data: [] });
  return asked.pipe(
    map(({ data, errors }) => ({
      state: errors?.length ? LoadingState.Error : LoadingState.Done,
      series: data.map(toDataFrame),
      annotations: [],
      errors,
      error: errors?.[0],
      request,
      timeRange: request.range,
    })),
    catchError((error) =>
      of({
        state: LoadingState.Error,
        series: [],
        errors: [{ message: error.message }],
        error: { message: error.message },
        request,
        timeRange: request.range,
      })
    )
  );
}

/* There is one data source, of the kind that the job tells; every reference to its kind means it. */
function dataSources(job) {
  const meta = { id: job.kind, metrics: true, name: job.kind, info: { logos: {} } };
  const settings = {
    id: 1,
    uid: job.name,
    name: job.name,
    type: job.kind,
    meta,
    jsonData: {},
    isDefault: true,
    access: 'proxy',
    readOnly: true,
  };
  const only = new ServerDataSource(settings, job);
  const known = (reference) => {
    const type = reference?.type;
    if (type && type !== job.kind) {
      throw new Error(`There is no data source of type ${type} here`);
    }
  };
  return {
    get: async (reference) => {
      known(reference);
      return only;
    },
    getList: ({ pluginId, type } = {}) =>
      [pluginId, type].flat().some((each) => each && each !== job.kind) ? [] : [settings],
    getInstanceSettings: (reference) =>
      reference?.type && reference.type !== job.kind ? undefined : settings,
    reload() {},
  };
}
