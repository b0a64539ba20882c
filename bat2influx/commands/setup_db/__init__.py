"""`bat2influx setup-db`: database, retention policies, downsampling and user.

What is wanted against what is there becomes a plan (plan.py, pure), which setup.py carries out by
statements.py. Where another database than InfluxDB 1 answers, other_databases.py says what to do,
for InfluxDB 2 by the script of influxdb2.py.
Start with command.py.
"""
