"""The forms of a network between the passes: resolved, typed, lowered; `printer` prints them.

Data with small queries. The passes turn one form into the next; nothing here reports an error.
"""
