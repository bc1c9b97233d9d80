"""`DataSyncService`, which answers questions about the history."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from hassette_sync.answers.comparison import Comparison
from hassette_sync.answers.household import Household
from hassette_sync.answers.overview import Live, Overview, SystemStatus, TriggerState, Upcoming
from hassette_sync.answers.registrations import Registration, RegistrationDetail
from hassette_sync.answers.runs import RunningNow
from hassette_sync.answers.stream import LiveRun
from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.control import Control, ControlAction, ControlResult, NoControl, Verb
from hassette_sync.errors import BadQuestionError
from hassette_sync.follow import TooManyRuns, Update, follow_feed, follow_file
from hassette_sync.history_file import OpenFile, open_history
from hassette_sync.ids import parse_id
from hassette_sync.live import LiveFeed, LiveSnapshot, NoFeed
from hassette_sync.questions import now, overview
from hassette_sync.questions.apps import app_detail, registration_named
from hassette_sync.questions.asking.ask import ask
from hassette_sync.questions.asking.sun import asked_time
from hassette_sync.questions.comparison import compare
from hassette_sync.questions.errors import error_group_detail, error_group_key, error_groups_page
from hassette_sync.questions.events import events_page
from hassette_sync.questions.facets import facets_of_runs
from hassette_sync.questions.household import household
from hassette_sync.questions.logs import logs_page
from hassette_sync.questions.noise import noise
from hassette_sync.questions.not_runs import not_runs_page
from hassette_sync.questions.paging import DEFAULT_LIMIT
from hassette_sync.questions.periods import covered_range
from hassette_sync.questions.registrations import (
    app_summaries,
    registration_detail,
    registration_list,
    skip_reasons,
)
from hassette_sync.questions.restrictions import present_restrictions, restrictions
from hassette_sync.questions.runs import newest_id, run_detail, runs_page
from hassette_sync.questions.sessions import (
    check_readable,
    home_time,
    lifecycle_page,
    losses_page,
    newest_session,
    session_by_id,
    sessions_page,
    uptime_in,
)
from hassette_sync.questions.timeline import time_choices
from hassette_sync.questions.trends import error_trends
from hassette_sync.questions.versions import versions_page
from hassette_sync.questions.waterfall import waterfall
from hassette_sync.questions.why import why
from hassette_sync.questions.why_not import why_not
from hassette_sync.reader import Reader, ReadTransaction
from hassette_sync.time_range import SECOND_US, TimeRange, now_us
from hassette_sync.watch import HistoryWatch

DEFAULT_DEADLINE_S = 5.0
LONGEST_SILENCE_S = 366 * 86_400
"""Longest silence of an error group, in seconds."""

Asked = ParamSpec("Asked")
AnswerT = TypeVar("AnswerT")


def question(
    name: str,
    answer: Callable[Concatenate[ReadTransaction, Asked], Coroutine[Any, Any, AnswerT]],
    *,
    with_present: bool = False,
) -> Callable[Concatenate["DataSyncService", Asked], Coroutine[Any, Any, AnswerT]]:
    """Make a method of `DataSyncService` from a function that answers a question.

    The method calls the function with a new read transaction. The method has the docstring of the
    function, and its parameters except the transaction.

    Args:
        name: Name of the method, also for error messages.
        answer: Function of `hassette_sync.questions`.
        with_present: Whether the answer depends on the restrictions in the running framework.
    """

    @functools.wraps(answer)
    async def ask(self: "DataSyncService", /, *args: Asked.args, **kwargs: Asked.kwargs) -> AnswerT:
        words = name.replace("_", " ")
        if with_present:
            return await self._ask_with_present(words, answer, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]  ask is a method
        return await self._reader.ask(words, answer, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]  ask is a method

    signature = inspect.signature(answer)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    ask.__name__, ask.__qualname__ = name, f"DataSyncService.{name}"
    parameters = [own, *list(signature.parameters.values())[1:]]
    vars(ask)["__signature__"] = signature.replace(parameters=parameters)
    return ask


class DataSyncService:
    """Answers questions about the history, in the framework's process or in any other process.

    Most methods are made by `question` from functions of `hassette_sync.questions`, which document their parameters.

    The service only reads. Use it as an async context manager, or call `close` at the end::

        async with DataSyncService(Path("data/hassette.db")) as data:
            page = await data.runs(RunFilter(status="failed"), TimeRange.last("7d"))

    A question opens the file if necessary, so it raises an error if the file is missing or damaged. The same question
    succeeds once the file can be read. All questions can raise `HistoryUnavailableError`, `QueryTimeoutError` and
    `BadQuestionError`; questions about one id can raise `NotFoundError`. A time range of None means the last 24 hours;
    for sessions, it means all sessions.

    Args:
        path: Path of the database file, usually ``data_dir/hassette.db``.
        live: Feed of the framework, or None in any other process.
        control: Control of the framework, or None in any other process.
        deadline_s: Deadline of one question, in seconds.
        open_file: Opens the file.

    Attributes:
        path: Path of the database file.
        live: Feed of the framework, or `NoFeed`.
        control: Control of the framework, or `NoControl`.
    """

    def __init__(
        self,
        path: Path | str,
        live: LiveFeed | None = None,
        control: Control | None = None,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        open_file: OpenFile = open_history,
    ) -> None:
        self.path = Path(path)
        self.live: LiveFeed = NoFeed() if live is None else live
        self.control: Control = NoControl() if control is None else control
        self._reader = Reader(self.path, deadline_s=deadline_s, open_file=open_file)
        self._watch = HistoryWatch(self._reader)

    async def close(self) -> None:
        """Close the connections to the file. A later question opens it again. Idempotent."""
        await self._reader.close()
        self._watch.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    apps = question("apps", app_summaries, with_present=True)
    app = question("app", app_detail, with_present=True)
    registration_named = question("registration_named", registration_named)
    registrations = question("registrations", registration_list, with_present=True)
    runs = question("runs", runs_page)
    run = question("run", run_detail)
    run_facets = question("run_facets", facets_of_runs)
    waterfall = question("waterfall", waterfall)
    time_choices = question("time_choices", time_choices)
    newest_id = question("newest_id", newest_id)
    check_readable = question("check_readable", check_readable)
    error_groups = question("error_groups", error_groups_page)
    error_group_key = question("error_group_key", error_group_key)
    error_group = question("error_group", error_group_detail)
    error_trends = question("error_trends", error_trends)
    sessions = question("sessions", sessions_page)
    session = question("session", session_by_id)
    newest_session = question("newest_session", newest_session)
    uptime = question("uptime", uptime_in)
    skips = question("skips", skip_reasons)
    lifecycle = question("lifecycle", lifecycle_page)
    losses = question("losses", losses_page)
    covered = question("covered", covered_range)
    home_time = question("home_time", home_time)
    why = question("why", why)
    logs = question("logs", logs_page)
    events = question("events", events_page)
    not_runs = question("not_runs", not_runs_page)
    why_not = question("why_not", why_not)
    asked_time = question("asked_time", asked_time)
    ask = question("ask", ask)
    compare = question("compare", compare)
    noise = question("noise", noise)
    versions = question("versions", versions_page)

    timeline = question("timeline", overview.timeline)
    restrictions = question("restrictions", restrictions, with_present=True)

    # These questions also need the live feed.
    async def registration(self, registration_id: int, time_range: TimeRange | None = None) -> RegistrationDetail:
        """Return one handler or job: settings, source, figures, heat map, next run, and triggers that led to no run.

        Raises:
            NotFoundError: The history has no registration with this id.
        """
        answer = await self._ask_with_present("registration", registration_detail, registration_id, time_range)
        next_run_us = next(iter(self.next_runs((answer.registration,)).values()), None)
        return answer.model_copy(update={"next_run_us": next_run_us})

    async def status(self) -> SystemStatus:
        """Return facts about the file, its incidents, the newest session and run, and the present state."""
        return await self._ask_with_present("status", overview.status, self.live_state())

    async def overview(self, time_range: TimeRange | None = None) -> Overview:
        """Return the status, the figures, the failures and the recent runs."""
        return await self._ask_with_present("overview", self._overview, time_range, self._snapshot())

    async def compared_overview(
        self, time_range: TimeRange | None = None, *, limit: int = DEFAULT_LIMIT
    ) -> tuple[Overview, tuple[ErrorTrend, ...], Comparison]:
        """Return what the first page shows: the overview, the course of its errors, and the comparison.

        One question takes less time than three, because the answers share most of the sums.

        Args:
            time_range: Time range of all parts.
            limit: Maximum number of handlers and jobs that differ from the previous period, and of error groups.
        """
        snapshot = self._snapshot()

        async def answer(transaction: ReadTransaction) -> tuple[Overview, tuple[ErrorTrend, ...], Comparison]:
            shown = await self._overview(transaction, time_range, snapshot)
            trends = await error_trends(transaction, shown.errors, time_range)
            return shown, trends, await compare(transaction, time_range, limit=limit)

        return await self._ask_with_present("overview", answer)

    async def _overview(
        self, transaction: ReadTransaction, time_range: TimeRange | None, snapshot: LiveSnapshot | None
    ) -> Overview:
        return await overview.overview(
            transaction,
            time_range=time_range,
            status=await overview.status(transaction, now.live_state(snapshot) if snapshot else None),
            running=await now.running(transaction, snapshot),
            upcoming=now.live_upcoming(snapshot) if snapshot else (),
        )

    async def household(self) -> Household:
        """Return what the automations did today, for the people of the home, without names from code."""
        return await self._ask_with_present("household", household, self.live_state())

    async def running(self) -> RunningNow:
        """Return the runs in progress, from the live feed or from the last heartbeat in the file."""
        return await self._reader.ask("running", now.running, self._snapshot())

    async def present_facts(self) -> now.PresentFacts:
        """Return the newest run and session, and the runs in progress, as one question."""
        return await self._reader.ask("present facts", now.present_facts, self._snapshot())

    async def _ask_with_present(
        self,
        name: str,
        answer: Callable[Concatenate[ReadTransaction, Asked], Coroutine[Any, Any, AnswerT]],
        *args: Asked.args,
        **kwargs: Asked.kwargs,
    ) -> AnswerT:
        """Answer one question whose transaction has the restrictions in the running framework, like `Reader.ask`."""
        present = present_restrictions(self.control) if self.can_control else None

        async def answer_with_present(transaction: ReadTransaction) -> AnswerT:
            transaction.present = present
            return await answer(transaction, *args, **kwargs)

        return await self._reader.ask(name, answer_with_present)

    def _snapshot(self) -> LiveSnapshot | None:
        # A question runs in another thread, but the feed belongs to the event loop.
        return self.live.snapshot() if self.is_live else None

    async def file_version(self) -> tuple[int, int]:
        """Return a value that differs after each change of the file, without reading the history."""
        return await self._watch.version()

    @property
    def is_live(self) -> bool:
        """Whether the live feed of the framework is available."""
        return not isinstance(self.live, NoFeed)

    async def act(self, verb: Verb, target: str, by: str, *, seconds: int | None = None) -> ControlResult:
        """Change the running framework; see `hassette_sync.control.ControlAction`.

        Args:
            verb: The action.
            target: The app, the job, or the id of the error group.
            by: The author of the action.
            seconds: Length of a silence.

        Raises:
            BadQuestionError: The id or the length of the silence is not valid.
            NotFoundError: The history has no error group with this id.
        """
        if verb not in ("silence_error", "end_silence"):
            return await self.control.act(ControlAction(verb=verb, target=target, by=by))
        until_us = None
        if verb == "silence_error":
            if seconds is None or not 1 <= seconds <= LONGEST_SILENCE_S:
                raise BadQuestionError(f"must be from 1 to {LONGEST_SILENCE_S}, got {seconds}.", parameter="seconds")
            until_us = now_us() + seconds * SECOND_US
        group_id = parse_id(target, "error group id")
        fingerprint, type_ = await self.error_group_key(group_id)
        subject = f"{type_} (error {group_id})"
        return await self.control.act(
            ControlAction(verb=verb, target=fingerprint, by=by, subject=subject, until_us=until_us)
        )

    @property
    def can_control(self) -> bool:
        """Whether the running framework can be controlled from this process."""
        return not isinstance(self.control, NoControl)

    def live_state(self) -> Live | None:
        """Return the present state of the framework, or None without the live feed."""
        return now.live_state(self.live.snapshot()) if self.is_live else None

    def upcoming(self) -> tuple[Upcoming, ...]:
        """Return the next runs of all jobs, soonest first, at most 50. Without the live feed, the tuple is empty."""
        return now.live_upcoming(self.live.snapshot()) if self.is_live else ()

    def next_runs(self, registrations: Iterable[Registration]) -> dict[tuple[str, str, str], int]:
        """Return the times of the next runs of the given jobs, by app, instance and name.

        Handlers, and jobs without a planned run, are not in the result. Without the live feed, the result is empty.
        """
        keys = [(one.app, one.instance, one.name) for one in registrations if one.kind == "job"]
        return {key: due_us for key in keys if (due_us := self.live.next_run_us(*key)) is not None}

    def triggers(self) -> tuple[TriggerState, ...]:
        """Return Home Assistant's answers to the triggers of handlers. Without the live feed, the tuple is empty."""
        return now.live_triggers(self.live.snapshot()) if self.is_live else ()

    async def follow(self, after: int = 0) -> AsyncGenerator[tuple[LiveRun, ...]]:
        """Yield the runs as they end: in the order of their ids, unless the wall clock was set back.

        Without a live feed, runs are omitted after the wall clock was set back. `follow_limited` reports this.

        Args:
            after: Id of the last run that the caller received. The runs since then come first. With 0, the runs that
                the live feed retains come first. Without a live feed, 0 begins with the next run.

        Raises:
            DroppedError: The follower was too slow, or Hassette is stopping.
        """
        async with aclosing(self._updates(after, None)) as updates:
            async for update in updates:
                if not isinstance(update, TooManyRuns):
                    yield update

    async def follow_limited(self, after: int, at_most: int | None) -> AsyncGenerator[Update]:
        """Yield the runs as they end, like `follow`. If too many are new at once, yield one `TooManyRuns` instead.

        The same applies if new runs cannot be found because the wall clock was set back.

        Args:
            after: Id of the last run that the caller received.
            at_most: Maximum number of new runs that are yielded at once; None for no limit.

        Raises:
            DroppedError: The follower was too slow, or Hassette is stopping.
        """
        async with aclosing(self._updates(after, at_most)) as updates:
            async for update in updates:
                yield update

    def _updates(self, after: int, at_most: int | None) -> AsyncGenerator[Update]:
        if self.is_live:
            return follow_feed(self._reader, self.live, after, at_most)
        return follow_file(self._reader, after, at_most)
