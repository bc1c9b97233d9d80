"""`FrameworkControl`: carry out the actions that pages, the API and the terminal request.

``hassette_sync.control`` declares the protocol that this class satisfies, so that neither package imports the other.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from hassette_core.apps import AppService, AppStatus
from hassette_core.containment import ACTOR, FRAMEWORK, GuardedTask
from hassette_core.errors import MAX_DESCRIPTION, RegistrationError, describe_error
from hassette_core.lifecycle import ServiceStatus, StatusBoard
from hassette_core.scheduler import PlannedJob, SchedulerService
from hassette_core.suggestions import did_you_mean
from hassette_executor import CommandExecutor, redact_and_cut

logger = logging.getLogger(__name__)

ANSWER_S: Final = 8.0
"""An action that takes longer is answered with ``in_progress``, and continues."""
AT_ONCE: Final = 20
"""Maximum number of actions that are carried out at the same time."""
LONGEST_SILENCE: Final = timedelta(days=366)
MAX_COMPARED: Final = 500
"""Maximum number of names that are compared with an unknown name. The comparison runs on the event loop."""
_FLUSH_S: Final = 3.0
_MAX_TEXT: Final = 200
_GRAVEST_FIRST: Final = ("failed", "retrying", "stopped", "waiting", "starting", "loaded", "running")
_RUNS: Final = {
    "start": "The job {job} has started",
    "replace": "The job {job} starts again, in place of its run in progress",
    "wait": "The job {job} starts after the runs that are waiting or in progress",
    "skip": "The job {job} was not run, because its previous run is still in progress",
}


class Action(Protocol):
    """A requested action. ``hassette_sync.control.ControlAction`` documents the attributes."""

    @property
    def verb(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def until_us(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """The answer to an action.

    Attributes:
        outcome: ``done``, ``in_progress``, ``not_found``, ``conflict`` or ``unavailable``.
        detail: One sentence about the effect, or about the reason why there is none.
        subject: Full name of the job, which the action may name without its instance; empty for other actions.
    """

    outcome: str
    detail: str
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """The present state of one app of hassette.toml.

    Attributes:
        app: The app's key.
        enabled: False after ``disable_app``, and for an app with ``enabled = false``.
        rehearses: Whether at least one instance rehearses.
        status: Status of its instances; the gravest one, if they differ.
        detail: Reason for the status; may be empty.
    """

    app: str
    enabled: bool
    rehearses: bool
    status: str
    detail: str


class _ActionRefusedError(Exception):
    """An action has no effect, because of the present state."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = ActionOutcome(outcome, detail)


class FrameworkControl:
    """Carries out actions on jobs, apps and error groups, and records each with its author.

    A disabled app and a changed rehearsal last until Hassette restarts: then ``hassette.toml`` applies. A paused
    job stays paused over a restart, as with `Job.pause`.

    Args:
        apps: The apps.
        scheduler: The jobs.
        executor: Records events and silences.
        board: Provides the status of each service.
        records: Whether there is a sink. Without one, nothing can be silenced.
        redact: Masks secrets in the details of apps.
        wall_ns: The wall clock.
        answer_s: See `ANSWER_S`.
    """

    def __init__(
        self,
        apps: AppService,
        scheduler: SchedulerService,
        executor: CommandExecutor,
        board: StatusBoard,
        *,
        records: bool,
        redact: Callable[[str], str],
        wall_ns: Callable[[], int],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._apps = apps
        self._scheduler = scheduler
        self._executor = executor
        self._board = board
        self._records = records
        self._redact = redact
        self._wall_ns = wall_ns
        self._answer_s = answer_s
        self._tasks: set[asyncio.Task[ActionOutcome]] = set()
        self._verbs: Mapping[str, Callable[[Action], Awaitable[ActionOutcome]]] = {
            "run_job": self._run_job,
            "pause_job": self._pause_job,
            "resume_job": self._resume_job,
            "enable_app": self._enable_app,
            "disable_app": self._disable_app,
            "reload_app": self._reload_app,
            "rehearse_app": self._begin_rehearsal,
            "end_rehearsal": self._end_rehearsal,
            "silence_error": self._silence,
            "end_silence": self._end_silence,
        }

    async def act(self, action: Action) -> ActionOutcome:
        """Carry out an action. The answer comes within `ANSWER_S` seconds, even if code of an app hangs."""
        if action.verb not in self._verbs:
            return ActionOutcome("not_found", f"verb must be one of {', '.join(self._verbs)}, got {action.verb!r}.")
        if len(self._tasks) >= AT_ONCE:
            return ActionOutcome("unavailable", f"{AT_ONCE} other actions are in progress; try again later.")
        # The action is not code of the app or of the run in whose context the request may have begun.
        context = contextvars.Context()
        context.run(ACTOR.set, FRAMEWORK)
        task = GuardedTask(
            self._carry_out(action), loop=asyncio.get_running_loop(), name=f"control {action.verb}", context=context
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=self._answer_s)
        if not task.done():
            text = f"The action has begun, and is still in progress after {self._answer_s:g} s: an app takes long."
            return ActionOutcome("in_progress", f"{text} The events will show its result.")
        if task.cancelled():
            return ActionOutcome("unavailable", "Hassette is stopping.")
        return task.result()

    def apps(self) -> tuple[AppState, ...]:
        """Return the present state of each app of hassette.toml."""
        return tuple([self._state(app_key) for app_key in self._apps.entries])

    def paused_jobs(self) -> tuple[tuple[str, str, str], ...]:
        """Return the app, the instance and the name of each paused job."""
        paused = [job.registration for job in self._scheduler.paused_jobs()]
        return tuple(dict.fromkeys((each.app, each.instance, each.name) for each in paused))

    async def _carry_out(self, action: Action) -> ActionOutcome:
        subject = redact_and_cut(action.subject or action.target, _MAX_TEXT, self._redact)
        by = redact_and_cut(action.by, _MAX_TEXT, self._redact)
        try:
            answer = await self._verbs[action.verb](action)
        except _ActionRefusedError as refused:
            return refused.answer
        except Exception as error:
            # A defect. The page must get an answer, and the history must show the attempt.
            logger.exception("Action failed", extra={"verb": action.verb, "subject": subject})
            answer = ActionOutcome("conflict", f"The action failed: {describe_error(error)}.")
        if answer.subject:
            subject = redact_and_cut(answer.subject, _MAX_TEXT, self._redact)
        answer = ActionOutcome(answer.outcome, redact_and_cut(answer.detail, MAX_DESCRIPTION, self._redact), subject)
        logger.info("Action carried out", extra={"verb": action.verb, "subject": subject, "by": by})
        self._executor.report(f"control_{action.verb}", subject, f"{answer.detail} Requested by {by}.")
        return answer

    # Jobs

    async def _run_job(self, action: Action) -> ActionOutcome:
        self._require(self._scheduler.name)
        job = min(self._jobs(action.target), key=lambda job: (job.plan is None, job.plan.due_ns if job.plan else 0))
        step = job.next_step
        self._scheduler.run_now(job)
        detail = f"{_RUNS[step].format(job=_title_of(job))}."
        return ActionOutcome("conflict" if step == "skip" else "done", detail, _name_of(job))

    async def _pause_job(self, action: Action) -> ActionOutcome:
        job = self._jobs(action.target)[0]
        name, title = _name_of(job), _title_of(job)
        if job.paused:
            return ActionOutcome("done", f"The job {title} was paused already.", name)
        self._set_paused(job, True)
        return ActionOutcome("done", f"The job {title} is paused until it is resumed, even after a restart.", name)

    async def _resume_job(self, action: Action) -> ActionOutcome:
        job = self._jobs(action.target)[0]
        was_paused = job.paused
        self._set_paused(job, False)
        if job.paused:
            paused = f"The job {_title_of(job)} is paused with its group {job.group!r}"
            raise _ActionRefusedError("conflict", f"{paused}, which only code of the app resumes.")
        end = "is resumed" if was_paused else "was not paused"
        return ActionOutcome("done", f"The job {_title_of(job)} {end}.", _name_of(job))

    def _set_paused(self, job: PlannedJob, paused: bool) -> None:
        registration = job.registration
        try:
            self._scheduler.set_paused(registration.app, registration.instance, "job", registration.name, paused)
        except RegistrationError as error:
            raise _ActionRefusedError("conflict", f"{error}.") from error

    def _jobs(self, target: str) -> Sequence[PlannedJob]:
        """Return the waiting jobs with a name. There are several if jobs that run once share the name."""
        owners = [(each.app_key, each.instance) for each in self._apps.statuses]
        short: dict[tuple[str, ...], list[PlannedJob]] = {}
        full: dict[tuple[str, ...], list[PlannedJob]] = {}
        names: list[str] = []
        for app, instance in owners:
            if len(names) > MAX_COMPARED and not target.startswith(f"{app}."):
                continue
            for job in self._scheduler.jobs(app, instance):
                registration = job.registration
                if target == f"{app}.{instance}.{registration.name}":
                    full.setdefault(registration.key, []).append(job)
                elif target == f"{app}.{registration.name}":
                    short.setdefault(registration.key, []).append(job)
                elif len(names) < MAX_COMPARED:
                    names.append(_title_of(job))
        found = full or short
        if len(found) > 1:
            choices = ", ".join(_name_of(jobs[0]) for jobs in found.values())
            raise _ActionRefusedError("conflict", f"job must be one of {choices}, got {_cut(target)!r}.")
        if found:
            return next(iter(found.values()))
        raise self._no_job(target, names)

    def _no_job(self, target: str, names: Collection[str]) -> _ActionRefusedError:
        own = [key for key in self._apps.entries if target.startswith(f"{key}.")]
        stopped = [state for key in own if (state := self._state(key)).status != "running"]
        if stopped:
            return _ActionRefusedError(
                "conflict", f"The app {stopped[0].app} has no job now: it is {_why(stopped[0])}."
            )
        hint = did_you_mean(_cut(target), names)
        return _ActionRefusedError("not_found", f"job must be APP.JOB of a registered job, got {_cut(target)!r}{hint}.")

    # Apps

    async def _enable_app(self, action: Action) -> ActionOutcome:
        app = self._app(action.target)
        if self._state(app).enabled:
            return ActionOutcome("done", f"The app {app} was enabled already; it is {_why(self._state(app))}.")
        await self._apps.start_app(app)
        return self._after_change(app, "enabled")

    async def _disable_app(self, action: Action) -> ActionOutcome:
        app = self._app(action.target)
        if not self._state(app).enabled:
            return ActionOutcome("done", f"The app {app} was disabled already.")
        await self._apps.stop_app(app)
        return ActionOutcome("done", f"The app {app} is disabled until it is enabled or Hassette restarts.")

    async def _reload_app(self, action: Action) -> ActionOutcome:
        app = self._enabled(action.target)
        await self._apps.reload(app)
        return self._after_change(app, "reloaded")

    async def _begin_rehearsal(self, action: Action) -> ActionOutcome:
        return await self._rehearse(action.target, on=True)

    async def _end_rehearsal(self, action: Action) -> ActionOutcome:
        return await self._rehearse(action.target, on=False)

    async def _rehearse(self, target: str, *, on: bool) -> ActionOutcome:
        app = self._enabled(target)
        await self._apps.set_rehearsal(app, on=on)
        if on:
            return self._after_change(app, "reloaded; its changes to the home are not sent until Hassette restarts")
        setting = "after a restart, rehearse in hassette.toml applies again"
        return self._after_change(app, f"reloaded; its changes to the home are sent; {setting}")

    def _after_change(self, app: str, change: str) -> ActionOutcome:
        """Return the answer after a start or a reload."""
        if self._apps.is_deferred:
            return ActionOutcome("in_progress", f"The app {app} will change once Home Assistant is connected.")
        if problems := self._apps.problems_of(app):
            return ActionOutcome("conflict", f"The app {app} could not be {change.partition(';')[0]}: {problems[0]}")
        state = self._state(app)
        if state.status in ("running", "waiting"):
            return ActionOutcome("done", f"The app {app} is {change}; it is {_why(state)}.")
        return ActionOutcome("conflict", f"The app {app} is not running after the action: it is {_why(state)}.")

    def _app(self, app: str) -> str:
        self._require(self._apps.name)
        entry = self._apps.entries.get(app)
        if entry is None:
            hint = did_you_mean(_cut(app), list(self._apps.entries)[:MAX_COMPARED])
            raise _ActionRefusedError("not_found", f"app must be an app of hassette.toml, got {_cut(app)!r}{hint}.")
        if not entry.enabled:
            raise _ActionRefusedError(
                "conflict", f"The app {app} has enabled = false in hassette.toml; change it there to start the app."
            )
        return app

    def _enabled(self, target: str) -> str:
        app = self._app(target)
        if not self._state(app).enabled:
            raise _ActionRefusedError("conflict", f"The app {app} is disabled; enable it first.")
        return app

    def _state(self, app: str) -> AppState:
        entry = self._apps.entries[app]
        statuses = [each for each in self._apps.statuses if each.app_key == app]
        gravest = min(statuses, key=lambda each: _GRAVEST_FIRST.index(each.status), default=None)
        return AppState(
            app=app,
            enabled=entry.enabled and not self._apps.is_halted(app),
            rehearses=entry.rehearse or any(values.get("rehearse") is True for values in entry.instances),
            status="stopped" if gravest is None else gravest.status,
            detail=self._detail(gravest),
        )

    def _detail(self, status: AppStatus | None) -> str:
        return "" if status is None else redact_and_cut(status.detail, MAX_DESCRIPTION, self._redact)

    # Error groups

    async def _silence(self, action: Action) -> ActionOutcome:
        now = datetime.fromtimestamp(self._wall_ns() / 1e9, UTC)
        try:
            until = datetime.fromtimestamp((action.until_us or 0) / 1e6, UTC)
        except (OverflowError, ValueError, OSError):
            until = now  # refused below
        if not now < until <= now + LONGEST_SILENCE:
            raise _ActionRefusedError(
                "conflict", f"until_us must be within the next {LONGEST_SILENCE.days} days, got {action.until_us!r}."
            )
        local = until.astimezone(self._scheduler.place.zone)
        return await self._set_silence(action, f"is silenced until {local:%Y-%m-%d %H:%M} ({local.tzname()})")

    async def _end_silence(self, action: Action) -> ActionOutcome:
        return await self._set_silence(action, "is no longer silenced")

    async def _set_silence(self, action: Action, change: str) -> ActionOutcome:
        if not self._records:
            raise _ActionRefusedError("unavailable", "Runs are not recorded, so there is no error to silence.")
        until_us = action.until_us if action.verb == "silence_error" else None
        self._executor.silence(action.target, until_us)
        written = await self._executor.force_flush(_FLUSH_S)
        detail = f"The error {_cut(action.subject or action.target)} {change}"
        if written:
            return ActionOutcome("done", f"{detail}.")
        return ActionOutcome("in_progress", f"{detail}, as soon as the history can be written.")

    def _require(self, service: str) -> None:
        status = self._board.status_of(service)
        if status is not ServiceStatus.RUNNING:
            now = "not running" if status is None else status.value
            raise _ActionRefusedError("unavailable", f"The service “{service}” is {now}; try again in a few seconds.")


def _name_of(job: PlannedJob) -> str:
    registration = job.registration
    return f"{registration.app}.{registration.instance}.{registration.name}"


def _title_of(job: PlannedJob) -> str:
    """Return the name of a job in sentences and lists: with the instance only if that has its own name."""
    one = job.registration
    return _name_of(job) if one.instance not in (one.app, "default") else f"{one.app}.{one.name}"


def _why(state: AppState) -> str:
    return f"{state.status} ({state.detail.rstrip('.')})" if state.detail else state.status


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
