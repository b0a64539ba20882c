"""The sources of etc/grafana, dashboards and alert rules: `python3 -m dashboards` writes them.

Rules: a panel says what it shows, and nothing here asks a database. Each dashboard is made twice
from one source: for an InfluxDB (InfluxQL) and for VictoriaMetrics (MetricsQL, by Grafana's data
source for Prometheus). Grafana's schema is held against what is made by
tests/package/test_dashboards.py.
"""
