"""What to say of text that the grammar refuses: `syntax_errors.explain` is the way in.

These modules see text and expected tokens; errors of meaning belong to the passes.
"""
