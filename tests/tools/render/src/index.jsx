/* The page: fetches its job, shows the dashboard, and reports once all of it stands.

A job (tests/tools/render/server.py) is {dashboard, others, kind, name, theme, time, values}. The
driver of the browser has put a function `rendered` there, which is called with the page's height.
Then it makes the window as high, as some tables draw only what is within, and calls `report`.
*/

import './boot.js';

import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import '@fontsource/roboto-mono/400.css';
import './page.css';
import 'uplot/dist/uPlot.min.css';
import 'react-grid-layout/css/styles.css';
import 'react-resizable/css/styles.css';

import { ThemeContext, createTheme } from '@grafana/data';
import { config, locationService, LocationServiceProvider } from '@grafana/runtime';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'react-router-dom';

import { at } from './clock.js';
import { Head } from './head.jsx';
import { startGrafana } from './grafana.js';
import { standStill } from './quiet.js';
import { height, report } from './report.js';
import { fillGrid, makeScene, variablesDone } from './scene.jsx';
import { panelPlugins } from './panels/index.js';

async function main() {
  const job = await (await fetch(`/job/${location.hash.slice(1)}`)).json();
  const theme = createTheme({ colors: { mode: job.theme } });
  config.theme2 = theme;
  config.theme = theme.v1;
  document.body.classList.add(`theme-${job.theme}`);
  startGrafana(job, panelPlugins());

  const { now } = job.time;
  const scene = at(now, () => makeScene(job));
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <LocationServiceProvider service={locationService}>
        <Router location={locationService.getLocation()} navigator={locationService.getHistory()}>
          <Head dashboard={job.dashboard} />
          <main style={{ padding: theme.spacing(0, 2, 2) }}>
            <scene.Component model={scene} />
          </main>
          <PortalContainer />
        </Router>
      </LocationServiceProvider>
    </ThemeContext.Provider>
  );

  await variablesDone(scene);
  at(now, () => fillGrid(scene, job.dashboard));
  await standStill(scene);
  window.report = async () => {
    await standStill(scene);
    return report(scene);
  };
  window.rendered(String(height()));
}

main();
