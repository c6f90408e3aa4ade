"""The loggers of `netdsl train --log`, by name."""

LOGGERS = ("tensorboard", "mlflow", "wandb")
