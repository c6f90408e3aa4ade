"""Run folders, written: training from the start, from a checkpoint, and once more."""
