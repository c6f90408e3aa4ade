"""What a network is made of, in numbers: the model behind `netdsl summary` and `netdsl diff`.

It counts and compares networks that are compiled already, and prints nothing.
"""
