"""The commands of the command line, one file a command; the files `shared_…` hold what several use.

A command parses its options, calls a package below, prints, and sets the exit status. It computes nothing
itself, and imports heavy modules, torch above all, only when it runs.
"""
