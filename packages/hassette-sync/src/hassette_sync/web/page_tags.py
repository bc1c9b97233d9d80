"""Tags of pages: a live page that already shows everything is not made again."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from fastapi import Request
from starlette.responses import Response

from hassette_store.ids import time_of
from hassette_sync.answers.sessions import Session
from hassette_sync.errors import SyncError
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import MINUTE_US, SECOND_US, now_us
from hassette_sync.web.root import root_of
from hassette_sync.web.visitors import VISITOR, Visitor

_SECONDS_ARE_SHOWN_US: Final = 2 * MINUTE_US
"""Distance of a moment up to which pages show it in seconds; see `hassette_sync.formatting.rough_duration`."""


class PageUnchangedError(Exception):
    """The visitor already has the page as it would be made now.

    Attributes:
        tag: Tag of the page.
    """

    def __init__(self, tag: str) -> None:
        super().__init__("The page has not changed.")
        self.tag = tag


class PageTags:
    """Tags of pages. Two equal tags of one address mean that the page would be the same.

    The tag depends on everything that a page shows: the file, the present state of the framework, and the time. Ages
    are shown in minutes, so the time counts in minutes. It counts in seconds while a page may show seconds: during a
    run, shortly after a run and before the next one, and shortly after a start or a stop of the framework.

    Args:
        data: The service that answers the questions.
        clock: Returns the time in microseconds.
    """

    def __init__(self, data: DataSyncService, clock: Callable[[], int] = now_us) -> None:
        self._data = data
        self._clock = clock
        # After a restart, another version may make other pages of the same history.
        self._process = secrets.token_hex(8)

    async def tag(self, *of_page: str) -> tuple[str, Session | None]:
        """Return the tag of a page, and the newest session. They cost about as much as two short questions.

        Args:
            of_page: Facts about the request on which the page depends, such as its address.

        Raises:
            SyncError: The history cannot be read.
        """
        version = await self._data.file_version()
        present = await self._data.present_facts()
        session, running = present.session, present.running
        snapshot = self._data.live.snapshot() if self._data.is_live else None
        due_us = [one.due_us for one in snapshot.upcoming] if snapshot is not None else []
        control = (self._data.control.apps(), self._data.control.paused_jobs())
        live = (snapshot, control, running, session.state if session is not None else None)
        at_us = self._clock()
        moments_us = [time_of(present.newest_id), *due_us]
        if session is not None:
            # The heartbeat of a running session is always near, but no page shows its age.
            moments_us += [session.started_us] if session.state == "running" else [session.until_us]
        shows_seconds = bool(running) or any(abs(at_us - us) < _SECONDS_ARE_SHOWN_US for us in moments_us)
        moment = at_us // (SECOND_US if shows_seconds else MINUTE_US)
        facts = repr((self._process, version, live, shows_seconds, moment, of_page))
        return f'W/"{hashlib.sha256(facts.encode(errors="backslashreplace")).hexdigest()[:32]}"', session


async def check_tag(request: Request) -> None:
    """Give the page its tag. End the request if the visitor already has the page with this tag.

    Raises:
        PageUnchangedError: The page has not changed.
    """
    tags: PageTags = request.app.state.page_tags
    visitor: Visitor = request.scope[VISITOR]
    root = root_of(request.scope["path"], request.headers)
    try:
        tag, session = await tags.tag(request.scope["path"], request.url.query, root, visitor.kind, visitor.session)
    except SyncError:
        return  # the page itself shows why the history cannot be read
    if tag == request.headers.get("if-none-match"):
        raise PageUnchangedError(tag)
    request.state.tag = tag
    request.state.session = session  # each page shows it


async def answer_unchanged(_request: Request, error: Exception) -> Response:
    """Answer that the visitor already has the page."""
    assert isinstance(error, PageUnchangedError)
    return Response(status_code=304, headers={"etag": error.tag})
