"""The fourth pass: `lower.lower` writes each block once, from a TypedNetwork to a LoweredNetwork.

The result is the same for every style of code: no Python in here, and no error is reported.
"""
