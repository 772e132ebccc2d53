"""The commands of `python -m keras_slayer.events`: a module each.

A module has `add_arguments(parser)` and `run(options)`; its docstring is the command's help.
"""
