"""The first pass: `resolve.resolve` binds names, from syntax trees to a ResolvedNetwork.

`load_files.load_files` reads the files before it. Shapes of tensors are not known here.
"""
