"""The version of hassette-executor."""

__version__ = "0.1.0"
