"""``hassette telemetry`` and ``hassette-telemetry``: show and maintain the recorded history in the terminal."""

from hassette_sync.cli.main import main

__all__ = ["main"]
