"""From text to the syntax tree: `parser.parse` is the entry point, `nodes` are the nodes of the tree.

Names have no meaning here: what needs a scope, a shape or an operation's rule belongs to a pass.
"""
