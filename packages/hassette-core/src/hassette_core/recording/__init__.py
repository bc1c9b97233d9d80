"""Recording of the circumstances of runs: changes of the home, their causes, names, and log lines outside runs."""

from hassette_core.recording.recording import Recording

__all__ = ["Recording"]
