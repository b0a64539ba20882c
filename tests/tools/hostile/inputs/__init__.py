"""One module for each hostile input, with `run(directory, scale)`; see ../registry.py."""
