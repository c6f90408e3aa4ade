"""Warnings: `warn.warn` looks for what compiles and is most likely not meant.

Only a network without errors is looked at, and nothing here changes it.
"""
