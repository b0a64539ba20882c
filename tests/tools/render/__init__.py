"""Dashboards as users see them: drawn by Grafana's libraries, in Debian's Chromium.

Tests and pictures use `browser`. A page made from src/ (by `build`) runs in the browser and sends
its requests to `server`, which handles queries as Grafana's server does (influxql, promql).
"""
