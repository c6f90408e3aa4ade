"""Messages for text that the grammar refuses: `syntax_errors.report_syntax_error` is the entry point.

These modules see text and expected tokens; errors of meaning belong to the passes.
"""
