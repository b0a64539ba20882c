"""`make completions`: what bash, zsh and fish complete after `bat2influx`, from its own parser.

`command_line` reads the parser, and `bash`, `zsh` and `fish` each make a script of it, below
debian/completions. tests/package/test_completions.py fails where one of these differs.
"""
