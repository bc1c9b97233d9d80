"""The ``hassette`` command."""

from hassette_core.cli.main import main

__all__ = ["main"]
