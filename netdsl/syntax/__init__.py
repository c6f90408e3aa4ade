"""From text to the syntax tree: `parser.parse` is the way in, and `nodes` are what the tree is made of.

Names have no meaning here: what needs a scope, a shape or an operation's rule belongs to a pass.
"""
