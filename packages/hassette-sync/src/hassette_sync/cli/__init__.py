"""``hassette telemetry`` and ``hassette-telemetry``: show and maintain the recorded history in the terminal.

``hassette job``, ``hassette app`` and ``hassette error`` change the running framework.
"""

from hassette_sync.cli.main import main

__all__ = ["main"]
