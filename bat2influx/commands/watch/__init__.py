"""`bat2influx watch`: shows the values as they arrive, and the state of all parts.

sources.py makes a model (model.py) of the input; layout.py and table.py make lines of styled text
(text.py) of the model, which terminal.py draws; lines.py is for output without a terminal.
Start with command.py.
"""
