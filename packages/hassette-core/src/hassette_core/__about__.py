"""The version of hassette-core."""

__version__ = "0.1.0"
