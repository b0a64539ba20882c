"""`bat2influx pair`: a token for a device with the profile "Paired devices only".

The way of a token here: stages.py says what comes after what, conversation.py carries it out,
https.py sends the requests, and placing.py puts what came of it into the configuration and the
credential of the service. What people read is in texts.py. Start with command.py.
"""
