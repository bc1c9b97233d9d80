"""The ``hassette`` command: `main` finds a subcommand and runs it; each subcommand is a module."""

from hassette_core.cli.main import main

__all__ = ["main"]
