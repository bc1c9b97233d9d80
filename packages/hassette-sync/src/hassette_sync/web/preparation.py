"""Preparation of the first page after a start."""

import asyncio

from fastapi import FastAPI

from hassette_sync.errors import SyncError
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import TimeRange
from hassette_sync.web.pages import SHOWN_DIFFERENCES
from hassette_sync.web.rendering import compile_templates

PREPARE_AFTER_S = 2.0
"""Time between the start of the pages and the preparation. The apps start in this time, and need the processor."""


async def prepare_pages(app: FastAPI) -> None:
    """Compile the templates, and fill the caches of the overview, so that its first visitor waits as long as others.

    Args:
        app: The application of the pages.
    """
    data: DataSyncService = app.state.data
    await asyncio.to_thread(compile_templates)
    try:
        await data.compared_overview(await data.covered(TimeRange.last()), limit=SHOWN_DIFFERENCES)
    except SyncError:
        return  # the history is missing or cannot be read yet; the page itself shows why
