"""`bat2influx watch`: the values as they come, and how all the parts are.

sources.py makes a model (model.py) of what comes; layout.py and table.py make lines of styled text
of that (text.py), which terminal.py draws; lines.py is for where there is no terminal. Start with
command.py.
"""
