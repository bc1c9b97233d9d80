"""`DataSyncService`: questions in, typed answers out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self

from hassette_sync.answers.errors import ErrorGroupDetail, ErrorGroupsPage
from hassette_sync.answers.overview import Live, Overview, Status, Timeline, Upcoming
from hassette_sync.answers.registrations import AppSummary, RegistrationDetail, Registrations, SkipReason
from hassette_sync.answers.runs import RunDetail, RunFacets, RunningNow, RunsPage
from hassette_sync.answers.sessions import LifecyclePage, LossesPage, Session, SessionsPage, Uptime
from hassette_sync.answers.stream import LiveRun
from hassette_sync.follow import Heard, Skipped, follow_feed, follow_file
from hassette_sync.live import LiveFeed, NoFeed
from hassette_sync.questions import errors, now, overview, registrations, runs, sessions
from hassette_sync.questions.periods import periods_of, until_present
from hassette_sync.questions.sketches import Sketches
from hassette_sync.reader import Reader, Snapshot
from hassette_sync.time_range import TimeRange, now_us

DEFAULT_DEADLINE_S = 5.0
DEFAULT_LIMIT = 50


class DataSyncService:
    """Answers questions about the history, in the framework's process or in another one.

    It only reads. A file that is missing, damaged or too new is an error of each question and not of `start`: the
    history may appear later, and then it answers. Works by itself as an async context manager.

    Every question can raise `HistoryUnavailableError`, `QueryTimeoutError` and `BadQuestionError`, and those about
    one thing `NotFoundError`. A time range of None is the last 24 hours.

    Args:
        path: The history's file, usually ``data_dir/hassette.db``.
        live: The framework's feed; None outside of its process.
        deadline_s: How long one question may take, in seconds.

    Attributes:
        name: For the supervisor.
        path: The history's file.
        live: The framework's feed, or `NoFeed`.
    """

    name = "sync"

    def __init__(self, path: Path, live: LiveFeed | None = None, *, deadline_s: float = DEFAULT_DEADLINE_S) -> None:
        self.path = path
        self.live: LiveFeed = NoFeed() if live is None else live
        self._reader = Reader(path, deadline_s=deadline_s)
        self._sketches = Sketches()
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Get ready; the file is opened when the first question comes."""
        self._stopping.clear()

    async def serve(self) -> None:
        """Wait until stopped: questions are answered in their askers' tasks."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Close the connections. Idempotent."""
        self._stopping.set()
        await self._reader.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def is_live(self) -> bool:
        """Whether the framework's own process answers."""
        return not isinstance(self.live, NoFeed)

    async def status(self) -> Status:
        """Answer how the file and the framework are."""
        async with self._reader.snapshot("status") as snapshot:
            return await self._status(snapshot)

    async def covered(self, time_range: TimeRange) -> TimeRange:
        """Answer which time the figures of a range are of: the whole hours or days that cover it.

        A list of this time agrees with the figures.
        """
        async with self._reader.snapshot("covered time") as snapshot:
            return (await periods_of(snapshot, time_range)).time_range

    async def overview(self, time_range: TimeRange | None = None) -> Overview:
        """Answer whether the house's automation is all right."""
        async with self._reader.snapshot("overview") as snapshot:
            return await overview.overview(
                snapshot,
                self._sketches,
                time_range=time_range or TimeRange.last(),
                status=await self._status(snapshot),
                running=await self._running(snapshot),
                upcoming=self.upcoming(),
            )

    async def apps(self, time_range: TimeRange | None = None) -> tuple[AppSummary, ...]:
        """Answer the apps with what they did."""
        async with self._reader.snapshot("apps") as snapshot:
            return await registrations.apps(snapshot, time_range or TimeRange.last())

    async def registrations(
        self,
        time_range: TimeRange | None = None,
        *,
        kind: str | None = None,
        app: str | None = None,
        retired: bool = True,
    ) -> Registrations:
        """Answer handlers (kind ``handler``), jobs (``job``) or both, with what they did."""
        async with self._reader.snapshot("registrations") as snapshot:
            asked = time_range or TimeRange.last()
            return await registrations.registrations(snapshot, asked, kind=kind, app=app, retired=retired)

    async def registration(self, registration_id: int, time_range: TimeRange | None = None) -> RegistrationDetail:
        """Answer all about one handler or job."""
        async with self._reader.snapshot("registration") as snapshot:
            asked = time_range or TimeRange.last()
            return await registrations.registration_detail(snapshot, registration_id, asked)

    async def runs(
        self,
        asked: runs.RunFilter = runs.RunFilter(),  # noqa: B008  frozen
        time_range: TimeRange | None = None,
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> RunsPage:
        """Answer one page of runs, newest first; ``cursor`` is the ``next_cursor`` of the page before."""
        async with self._reader.snapshot("runs") as snapshot:
            return await runs.runs_page(snapshot, asked, await _asked(snapshot, time_range), cursor, limit)

    async def run_facets(self, time_range: TimeRange | None = None) -> RunFacets:
        """Answer what runs can be filtered by, with counts."""
        async with self._reader.snapshot("run facets") as snapshot:
            return await runs.run_facets(snapshot, time_range or TimeRange.last())

    async def run(self, run_id: int) -> RunDetail:
        """Answer the story of one run."""
        async with self._reader.snapshot("run") as snapshot:
            return await runs.run_detail(snapshot, run_id)

    async def running(self) -> RunningNow:
        """Answer what is running: from the feed, or from the last heartbeat in the file."""
        async with self._reader.snapshot("running") as snapshot:
            return await self._running(snapshot)

    def upcoming(self) -> tuple[Upcoming, ...]:
        """Answer the jobs' next runs; only the framework's own process knows them."""
        return now.live_upcoming(self.live.snapshot()) if self.is_live else ()

    def live_state(self) -> Live | None:
        """Answer what the framework says of itself; None outside of its process."""
        return now.live_state(self.live.snapshot()) if self.is_live else None

    async def error_groups(
        self, time_range: TimeRange | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> ErrorGroupsPage:
        """Answer one page of error groups, the most recently seen first."""
        async with self._reader.snapshot("errors") as snapshot:
            return await errors.error_groups(snapshot, await _asked(snapshot, time_range), cursor, limit)

    async def error_group(self, group_id: int, time_range: TimeRange | None = None) -> ErrorGroupDetail:
        """Answer one error group: its traceback, whom it befell, its newest runs."""
        async with self._reader.snapshot("error group") as snapshot:
            return await errors.error_group_detail(snapshot, group_id, await _asked(snapshot, time_range))

    async def sessions(
        self, time_range: TimeRange | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> SessionsPage:
        """Answer one page of sessions, newest first; a time range of None is all that is kept."""
        at_us = now_us()
        async with self._reader.snapshot("sessions") as snapshot:
            asked = await _asked(snapshot, time_range or TimeRange.parse("0", None, at_us=at_us))
            return await sessions.sessions_page(snapshot, asked, cursor, limit, at_us)

    async def session(self, session_id: int) -> Session:
        """Answer one session."""
        async with self._reader.snapshot("session") as snapshot:
            return await sessions.session(snapshot, session_id, now_us())

    async def uptime(self, time_range: TimeRange | None = None) -> Uptime:
        """Answer how much of a time the framework was up."""
        async with self._reader.snapshot("uptime") as snapshot:
            return await sessions.uptime(snapshot, await _asked(snapshot, time_range), now_us())

    async def timeline(self, time_range: TimeRange | None = None, registration_id: int | None = None) -> Timeline:
        """Answer throughput, failures and durations over time, of the house or of one handler or job."""
        async with self._reader.snapshot("timeline") as snapshot:
            return await overview.timeline(snapshot, self._sketches, time_range or TimeRange.last(), registration_id)

    async def skips(self, time_range: TimeRange | None = None) -> tuple[SkipReason, ...]:
        """Answer what did not run and why, the most frequent first."""
        async with self._reader.snapshot("skips") as snapshot:
            return await registrations.skips(snapshot, time_range or TimeRange.last())

    async def lifecycle(
        self,
        time_range: TimeRange | None = None,
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
        routine: bool = True,
    ) -> LifecyclePage:
        """Answer one page of what happened to the framework itself, newest first.

        Without ``routine``, what starts and stops as it should is left out.
        """
        async with self._reader.snapshot("lifecycle") as snapshot:
            asked = await _asked(snapshot, time_range)
            return await sessions.lifecycle_page(snapshot, asked, cursor, limit, routine=routine)

    async def losses(
        self, time_range: TimeRange | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> LossesPage:
        """Answer one page of gaps, newest first."""
        async with self._reader.snapshot("losses") as snapshot:
            return await sessions.losses_page(snapshot, await _asked(snapshot, time_range), cursor, limit)

    async def follow(self, after: int = 0) -> AsyncGenerator[tuple[LiveRun, ...]]:
        """Follow the runs as they end, in the order of their ids.

        Args:
            after: The last id known; the runs since then come first. 0 begins now, or with what the feed remembers.

        Raises:
            DroppedError: The follower was too slow.
        """
        async with aclosing(self._follow(after, None)) as batches:
            async for batch in batches:
                if not isinstance(batch, Skipped):
                    yield batch

    async def watch(self, after: int, at_most: int) -> AsyncGenerator[Heard]:
        """Follow the runs for one who looks at the present: as `follow`, but a long absence is one `Skipped`.

        Args:
            after: The last id known.
            at_most: How many runs at once are told one by one.

        Raises:
            DroppedError: The follower was too slow.
        """
        async with aclosing(self._follow(after, at_most)) as batches:
            async for batch in batches:
                yield batch

    async def newest_id(self) -> int:
        """Answer the id of the newest run in the history, 0 in an empty one: where a page begins to follow."""
        async with self._reader.snapshot("newest run") as snapshot:
            return await runs.newest_id(snapshot)

    def _follow(self, after: int, at_most: int | None) -> AsyncGenerator[Heard]:
        if self.is_live:
            return follow_feed(self._reader, self.live, after, at_most)
        return follow_file(self._reader, after, at_most)

    async def _status(self, snapshot: Snapshot) -> Status:
        return await overview.status(snapshot, self.path, self.live_state(), now_us())

    async def _running(self, snapshot: Snapshot) -> RunningNow:
        if self.is_live:
            return now.live_running(self.live.snapshot(), now_us())
        return await now.running_at_heartbeat(snapshot, now_us())


async def _asked(snapshot: Snapshot, time_range: TimeRange | None) -> TimeRange:
    return await until_present(snapshot, time_range or TimeRange.last())
