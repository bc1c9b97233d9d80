"""The ``hassette`` command: `main` finds a subcommand and runs it. Each subcommand of core is a module here."""

from hassette_core.cli.main import main

__all__ = ["main"]
