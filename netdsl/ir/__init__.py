"""The three forms of a network between the passes: resolved, typed, lowered.

Data with small helpers to walk it; what turns one form into another is a pass.
"""
