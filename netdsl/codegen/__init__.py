"""From the lowered network to Python: a view for each style, and the templates that lay it out."""
