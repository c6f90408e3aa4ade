"""From the lowered network to Python: a view for each style, and the templates that lay it out.

`functional`, `module` and `sequential` make the views, `render.render` the code. No shape is computed here,
and no error of the file is reported.
"""
