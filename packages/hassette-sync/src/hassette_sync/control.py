"""Control of the framework from pages, the API and the terminal: the protocol `Control` and two implementations.

The framework provides a `Control` in its process. In other processes, `NoControl` takes its place. `MemoryControl` is
for tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Verb = Literal[
    "run_job",
    "pause_job",
    "resume_job",
    "enable_app",
    "disable_app",
    "reload_app",
    "rehearse_app",
    "end_rehearsal",
    "silence_error",
    "end_silence",
]
"""The effect of an action. The event of an action has the kind ``control_`` and the verb."""

ControlOutcome = Literal["done", "in_progress", "not_found", "conflict", "unavailable"]
"""The outcome of an action:

- ``done``: the action has its effect.
- ``in_progress``: the action has begun, and continues after the answer.
- ``not_found``: no app or job has this name.
- ``conflict``: the action is not possible in the present state, or the app has refused it.
- ``unavailable``: a part of the framework is not running at the moment, or this process has no framework.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAction:
    """A request to change something in the running framework.

    Attributes:
        verb: The requested effect.
        target: The app's key for the actions on apps. ``APP.JOB`` or ``APP.INSTANCE.JOB`` for the actions on jobs. The
            fingerprint of the error group for the actions on errors.
        by: The author of the action, such as ``page at 192.168.1.7``.
        subject: The target in readable form, for the event. Empty if ``target`` is readable.
        until_us: End of a silence; None for all other actions.
    """

    verb: Verb
    target: str
    by: str
    subject: str = ""
    until_us: int | None = None


class ControlResult(Protocol):
    """The answer to an action.

    Attributes:
        outcome: One of `ControlOutcome`.
        detail: One sentence about the effect, or about the reason why there is none.
    """

    @property
    def outcome(self) -> str: ...
    @property
    def detail(self) -> str: ...


class ControlledApp(Protocol):
    """The present state of one app.

    Attributes:
        app: The app's key.
        enabled: False after ``disable_app``, and for an app with ``enabled = false`` in hassette.toml.
        rehearses: Whether at least one instance rehearses.
        status: Status of its instances, such as ``running``. The gravest one, if they differ.
        detail: Reason for the status; may be empty.
    """

    @property
    def app(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def rehearses(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def detail(self) -> str: ...


class Control(Protocol):
    """Changes the running framework."""

    async def act(self, action: ControlAction) -> ControlResult:
        """Carry out an action, and record it as an event with its author.

        The answer comes within a few seconds, whatever the code of the apps does. A slow action continues after the
        answer ``in_progress``. An expected problem is part of the answer; it is not raised.
        """
        ...

    def apps(self) -> Sequence[ControlledApp]:
        """Return the present state of each app of hassette.toml, without blocking."""
        ...

    def paused_jobs(self) -> Sequence[tuple[str, str, str]]:
        """Return the app, the instance and the name of each paused job, without blocking."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """Plain implementation of `ControlResult`."""

    outcome: ControlOutcome
    detail: str


class NoControl:
    """Control of a process without the framework. Every action is unavailable."""

    async def act(self, action: ControlAction) -> ActionResult:
        """Refuse the action."""
        return ActionResult(
            outcome="unavailable",
            detail="This process shows the history only. Use the page or the address of the running Hassette.",
        )

    def apps(self) -> tuple[ControlledApp, ...]:
        """Return an empty list."""
        return ()

    def paused_jobs(self) -> tuple[tuple[str, str, str], ...]:
        """Return an empty list."""
        return ()


@dataclass(slots=True, kw_only=True)
class MemoryApp:
    """An app of `MemoryControl`."""

    app: str
    enabled: bool = True
    rehearses: bool = False
    detail: str = ""

    @property
    def status(self) -> str:
        """``running``, or ``stopped`` if the app is disabled."""
        return "running" if self.enabled else "stopped"


class MemoryControl:
    """Control of apps and jobs in memory, for tests.

    Args:
        jobs: Names of the jobs of each app. Each app has one instance, with the name of the app.

    Attributes:
        actions: Each action that was carried out, in order.
        runs: The app, the instance and the name of each job that was run.
        silences: End of the silence of each error group, by fingerprint.
    """

    def __init__(self, jobs: Mapping[str, Sequence[str]]) -> None:
        self.actions: list[ControlAction] = []
        self.runs: list[tuple[str, str, str]] = []
        self.silences: dict[str, int] = {}
        self._apps = {app: MemoryApp(app=app) for app in jobs}
        self._jobs = [(app, app, name) for app, names in jobs.items() for name in names]
        self._paused: set[tuple[str, str, str]] = set()

    def apps(self) -> tuple[MemoryApp, ...]:
        """Return the state of each app."""
        return tuple(self._apps.values())

    def paused_jobs(self) -> tuple[tuple[str, str, str], ...]:
        """Return the paused jobs."""
        return tuple(sorted(self._paused))

    async def act(self, action: ControlAction) -> ActionResult:
        """Carry out an action."""
        problem = self._job_action(action) if action.verb.endswith("_job") else self._other_action(action)
        if problem is not None:
            return problem
        self.actions.append(action)
        return ActionResult(outcome="done", detail=f"{action.verb} {action.subject or action.target}: done.")

    def _job_action(self, action: ControlAction) -> ActionResult | None:
        found = [
            (app, instance, name)
            for app, instance, name in self._jobs
            if action.target in (f"{app}.{name}", f"{app}.{instance}.{name}")
        ]
        if not found:
            return ActionResult(outcome="not_found", detail=f"job must be one of the jobs, got {action.target!r}.")
        (job,) = found
        if not self._apps[job[0]].enabled:
            return ActionResult(outcome="conflict", detail=f"The app {job[0]} is disabled.")
        if action.verb == "run_job":
            self.runs.append(job)
        elif action.verb == "pause_job":
            self._paused.add(job)
        else:
            self._paused.discard(job)
        return None

    def _other_action(self, action: ControlAction) -> ActionResult | None:
        if action.verb == "silence_error":
            assert action.until_us is not None  # each silence has an end
            self.silences[action.target] = action.until_us
            return None
        if action.verb == "end_silence":
            self.silences.pop(action.target, None)
            return None
        app = self._apps.get(action.target)
        if app is None:
            return ActionResult(outcome="not_found", detail=f"app must be one of the apps, got {action.target!r}.")
        if action.verb in ("enable_app", "disable_app"):
            app.enabled = action.verb == "enable_app"
        elif not app.enabled:
            return ActionResult(outcome="conflict", detail=f"The app {app.app} is disabled.")
        elif action.verb != "reload_app":
            app.rehearses = action.verb == "rehearse_app"
        return None
