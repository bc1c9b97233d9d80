"""Questions to a history, with a deadline that grows with HASSETTE_TEST_PATIENCE."""

from pathlib import Path

from hassette_sync import DataSyncService, LiveFeed
from hassette_sync.service import DEFAULT_DEADLINE_S
from support.waiting import patience


def patient_data(path: Path, live: LiveFeed | None = None) -> DataSyncService:
    """Return the service of a history. On a busy machine, a question takes longer than the default deadline."""
    return DataSyncService(path, live, deadline_s=patience(DEFAULT_DEADLINE_S))
