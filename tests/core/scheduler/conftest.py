"""The file of the kept jobs, and a clock that starts at noon."""

from pathlib import Path

import pytest

from hassette_core.clock import ManualClock
from support.home import NOON


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "scheduler.json"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)
