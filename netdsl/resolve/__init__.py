"""The first pass: `resolve.resolve` gives every name its meaning, syntax trees to a ResolvedNetwork.

`load_files.load_files` reads the files before it. No shape of a tensor is computed here.
"""
