"""The version of hassette-sync."""

__version__ = "0.1.0"
