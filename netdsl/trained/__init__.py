"""What can be done with a trained network: all that reads run folders.

`open_run.open_run` is the way in. Nothing here trains, and nothing but an exported file is written.
"""
