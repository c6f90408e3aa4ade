"""The texts of `netdsl explain`, one Markdown file a code, and `error_docs`, which reads them.

Only documentation: the message of an error is written where the error is found.
"""
