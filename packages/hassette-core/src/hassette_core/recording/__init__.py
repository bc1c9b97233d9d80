"""Recording of the circumstances of runs: changes of the home, their causes, and names."""

from hassette_core.recording.recording import Recording
from hassette_core.recording.service import RecordingService

__all__ = ["Recording", "RecordingService"]
