"""Training into run folders: new runs, resumed runs, reproduced runs, and experiments of several runs.

`train_run` is one run, `experiment` several. The training itself is in `netdsl.runtime`.
"""
