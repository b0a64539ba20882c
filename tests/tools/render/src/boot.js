/* What Grafana's server writes into its page; the libraries read it as they are loaded. */

window.grafanaBootData = {
  assets: { dark: '', light: '' },
  settings: { featureToggles: {}, buildInfo: { version: '12.4.10', env: 'production' } },
  user: { theme: 'dark', regionalFormat: 'en-GB', language: 'en-US' },
  navTree: [],
};
