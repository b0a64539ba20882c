"""`bat2influx pair`: a token for a device with the profile "Paired devices only".

stages.py has the order of the steps, conversation.py carries them out, https.py sends the requests,
and placing.py writes the token into the configuration and the credential of the service. The
messages are in texts.py. Start with command.py.
"""
