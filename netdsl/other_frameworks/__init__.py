"""What PyTorch, Keras, Darknet and others call things, and what netdsl calls them.

Names and texts alone: no framework is imported, and nothing here reports an error.
"""
