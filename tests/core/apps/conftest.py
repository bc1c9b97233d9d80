"""Fixtures: a directory of apps, and a runner for them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.app_runner import AppDirectory, AppRunner
from support.home import Home


@pytest.fixture
def app_dir(tmp_path: Path) -> AppDirectory:
    path = tmp_path / "apps"
    path.mkdir()
    return AppDirectory(path)


@pytest.fixture
async def apps(home: Home, app_dir: AppDirectory) -> AsyncIterator[AppRunner]:
    async with AsyncExitStack() as stack:
        yield AppRunner(home, app_dir.path, stack)
