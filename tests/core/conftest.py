"""Fixtures of the tests of hassette-core."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.home import Home


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    """Start executor, bus and scheduler."""
    home = Home()
    async with home.executor, home.bus_service, home.scheduler_service:
        yield home


@pytest.fixture
def calls() -> list[Any]:
    """Collect the calls of a handler."""
    return []


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of Hassette from the environment."""
    for name in os.environ:
        if name.upper().startswith("HASSETTE__"):
            monkeypatch.delenv(name)


@pytest.fixture
def config_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings: None) -> Path:
    """Return a new current directory with an empty directory for apps. The environment contains a token."""
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "a-token")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apps").mkdir()
    return tmp_path
