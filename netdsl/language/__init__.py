"""The language's own concepts: words, expressions, types of arguments, the recipe, rules of initialisation.

Neither text nor syntax tree is read here, and no operation is known by name.
"""
