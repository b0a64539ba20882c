"""Dashboards as a person sees them: drawn by Grafana's own libraries, in Debian's Chromium.

`browser` is what tests and pictures use. A page made of src/ (by `build`) runs in the browser and
asks `server`, which does what Grafana's server does with queries (influxql, promql).
"""
