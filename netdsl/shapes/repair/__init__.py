"""Search for the change of a network that repairs a shape error, for the help of the error.

Candidates are made here and tried by inference. Errors are reported by `netdsl.shapes`.
"""
