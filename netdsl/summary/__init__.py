"""The figures and structure of compiled networks, for `netdsl summary` and `netdsl diff`.

It measures and compares, and prints nothing.
"""
