"""`bat2influx setup-db`: database, retention policies, downsampling and user.

The wanted state compared with the existing one gives a plan (plan.py, pure), which setup.py carries
out with statements.py. For a database other than InfluxDB 1, other_databases.py prints what to do,
for InfluxDB 2 as the script of influxdb2.py. Start with command.py.
"""
