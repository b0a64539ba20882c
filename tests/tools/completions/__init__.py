"""`make completions`: completion of `bat2influx` for bash, zsh and fish, from its parser.

`command_line` reads the parser, and `bash`, `zsh` and `fish` each make a script from it, below
debian/completions. tests/package/test_completions.py fails if one of these differs.
"""
