"""A home with records, and a service that reads them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hassette_sync import DataSyncService
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, recorded_home


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("light.hall", "Hall light", "Hall")
        home.named("anna", "Anna", kind="user")
        home.named("ben", "Ben", kind="user")
        yield home


@pytest.fixture
async def data(home: RecordedHome, tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(tmp_path / "hassette.db") as data:
        yield data
