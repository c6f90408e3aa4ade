"""The names of layers, arguments and values in PyTorch, Keras, Darknet and others, and in netdsl.

Names and texts alone: no framework is imported, and nothing here reports an error.
"""
