/* The data source: variables are filled in here, as Grafana's page does; the rest by the server. */

import { escapeRegex } from '@grafana/data';
import { sceneGraph } from '@grafana/scenes';

export class ServerDataSource {
  constructor(settings, job) {
    Object.assign(this, {
      id: settings.id,
      uid: settings.uid,
      name: settings.name,
      type: settings.type,
      meta: settings.meta,
      interval: job.least, // of $__interval, as `timeInterval` of the data source
      job: job.id,
    });
  }

  getRef() {
    return { type: this.type, uid: this.uid };
  }

  async query(request) {
    const queries = request.targets.map((target) => this.filledIn(target, request.scopedVars));
    const { results } = await this.ask('query', {
      queries,
      from: request.range.from.valueOf(),
      to: request.range.to.valueOf(),
      interval: request.intervalMs,
      points: request.maxDataPoints,
    });
    const errors = results.filter((each) => each.error);
    return {
      data: results.flatMap((each) => each.frames ?? []),
      errors: errors.map((each) => ({ refId: each.refId, message: each.error })),
    };
  }

  /* What a variable of type query offers: [{text, value}]. */
  async metricFindQuery(query, { range, scopedVars }) {
    const text = typeof query === 'string' ? query : query.query;
    const { options } = await this.ask('options', {
      query: this.interpolate(text, scopedVars),
      from: range?.from.valueOf(),
      to: range?.to.valueOf(),
    });
    return options.map((each) => ({ text: each }));
  }

  filledIn(target, scopedVars) {
    const filled = { ...target };
    for (const key of ['query', 'expr', 'alias', 'legendFormat', 'interval']) {
      if (filled[key]) {
        const plain = key !== 'query' && key !== 'expr';
        filled[key] = this.interpolate(filled[key], scopedVars, plain);
      }
    }
    return filled;
  }

  interpolate(text, scopedVars, plain = false) {
    const scene = scopedVars.__sceneObject.value.valueOf();
    const format = this.type === 'influxdb' ? inInfluxQL(text) : inPromQL;
    return sceneGraph.interpolate(scene, text, scopedVars, plain ? undefined : format);
  }

  async ask(what, question) {
    const asked = await fetch(`/${what}/${this.job}`, {
      method: 'POST',
      body: JSON.stringify(question),
    });
    if (!asked.ok) {
      throw new Error(await asked.text());
    }
    return asked.json();
  }
}

/* A value without a format: as it is, or for a regular expression where it is used in one. */
function inInfluxQL(text) {
  return (value, variable) => {
    if (variable.multi || variable.includeAll) {
      return Array.isArray(value)
        ? `(${value.map((each) => escapeRegex(String(each))).join('|')})`
        : number(value) ?? escapeRegex(String(value));
    }
    const inRegex = new RegExp(String.raw`/[^/]*\$\{?${variable.name}\b[^/]*/`).test(text);
    return inRegex ? escapeRegex(String(value)) : value;
  };
}

function number(value) {
  return Number.isNaN(parseFloat(value)) ? undefined : value;
}

function inPromQL(value, variable) {
  if (typeof value === 'string' && !variable.multi && !variable.includeAll) {
    return value.replace(/\\/g, '\\\\').replace(/'/g, "\\'");
  }
  const escaped = [value].flat().map((each) => escapeRegex(String(each)).replace(/\\/g, '\\\\'));
  return escaped.length === 1 ? escaped[0] : `(${escaped.join('|')})`;
}
