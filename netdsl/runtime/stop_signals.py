"""The signals that stop a training. This module does not import torch, since the command line uses it."""

from __future__ import annotations

import signal

STOP_SIGNALS = [each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP")]

# Signals within so many seconds are one request: a terminal that closes sends several at once.
ONE_REQUEST = 0.1
