"""Uses of trained networks: everything that reads run folders.

Start at `open_run.open_run`. Nothing here trains, and only exported files are written.
"""
