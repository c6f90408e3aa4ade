"""Run folders, written: training from the start, from a checkpoint, and once more.

`train_run` is one run, `experiment` several. How an epoch is computed is the business of `netdsl.runtime`.
"""
