"""The sources of etc/grafana, dashboards and alert rules: `python3 -m dashboards` writes them.

Rules: a panel describes what it shows, and nothing here queries a database. Each dashboard is made
twice from one source: for an InfluxDB (InfluxQL) and for VictoriaMetrics (MetricsQL, by Grafana's
data source for Prometheus). tests/package/test_dashboards.py checks the results against Grafana's
schema.
"""
