"""What to say of text that the grammar refuses: `syntax_errors.report_syntax_error` is the way in.

These modules see text and expected tokens; errors of meaning belong to the passes.
"""
