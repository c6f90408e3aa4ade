"""The third pass: `lower.lower` writes each block once, a TypedNetwork to a LoweredNetwork.

It is the same for every style of code: no Python is laid out here, and no error is reported.
"""
