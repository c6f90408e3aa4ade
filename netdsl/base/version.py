"""The version of netdsl, which the build reads too."""

__version__ = "0.9.0"
