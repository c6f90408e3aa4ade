"""The first pass: `resolve.resolve` binds names, from syntax trees to a ResolvedNetwork and Bindings.

`load_files.load_files` reads the files before it. `bindings` says what each name means; the editor and the
warnings ask it too. Shapes of tensors are not known here.
"""
