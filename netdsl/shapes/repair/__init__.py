"""Search for the change of a network that makes its shapes fit, for the help of an error.

Candidates are made here and tried by inference; what is wrong is reported by `netdsl.shapes`.
"""
