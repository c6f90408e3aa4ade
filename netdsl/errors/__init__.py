"""The texts of `netdsl explain`, one Markdown file a code, and `error_docs`, which reads them.

Only documentation: what an error says when it occurs stands where it is found.
"""
