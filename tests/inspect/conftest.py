"""Runs to look into: those that the tests of trained networks share."""

from tests.trained.conftest import colours, pictures, trained

__all__ = ["colours", "pictures", "trained"]
