"""One-stage detection: targets, losses and decoding of each kind of head.

Boxes are (N, M, 5) float32 on the device: left, top, right, bottom in pixels, and the class; rows of -1 pad
images with fewer boxes than M. Nothing in here knows files, recipes or training loops.
"""
