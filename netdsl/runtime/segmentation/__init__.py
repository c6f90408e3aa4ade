"""Semantic segmentation: a class for each pixel.

Masks are (N, H, W) uint8 in the size of the network's input: the number of each pixel's class, or `IGNORED`.
Nothing in here knows files of networks, recipes or training loops.
"""

# The value of pixels of no class, as Pascal VOC has it.
IGNORED = 255
