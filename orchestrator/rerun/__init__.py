"""Rerun: a recorded session executed again, with what was recorded in place of models, clocks and memory.

`recording` writes down what a turn takes in from outside (its inputs), `tape` reads that back, `player` hands
it to the graph again, each piece at its place in the log, and `session` drives whole sessions that way.
"""
