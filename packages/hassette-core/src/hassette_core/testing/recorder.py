"""`Recorder`: collect the runs, events and log lines of the home under test, in order."""

import json
import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple, cast

from hassette_core.clock import TimerClock
from hassette_core.containment import current_app
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.model import HomeCall
from hassette_core.testing.observations import NotRunSample, SeenCall, SeenNotRun, SeenOutcome, SeenRun
from hassette_executor import (
    Batch,
    DueTrigger,
    EventTrigger,
    HandlerInvocation,
    LifecycleEvent,
    NotRun,
    Record,
    Registration,
    ServiceCall,
    SkipCount,
    Trigger,
    current_execution,
    current_thread_call,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
APP_LOGGER = "hassette.apps"
HOUR_US = 3_600_000_000
OUTCOME_LOGGER = "hassette_executor.outcome"
CRASH_LOGGERS = (
    "hassette_executor.running.error_hooks",
    *(f"hassette_core.apps.{module}" for module in ("app_calls", "fleet", "instance", "reloading")),
    "hassette_core.containment",
    "hassette_core.unawaited",
)
"""Loggers whose errors are failures of hooks, starts and background tasks of apps."""
PROBLEM_KEYS = ("problem", "detail", "error")
"""The facts of a log line that describe an error."""
SERVICE_FAILURES = ("service_crashed", "service_degraded", "service_exhausted")
"""Lifecycle events of a service that has failed."""


class SeenEvent(NamedTuple):
    """An event of the home, with its place in the order of all events and log lines."""

    order: int
    at_us: int
    event: Mapping[str, Any]


class RunKey(NamedTuple):
    """Identifies a run before it has a record.

    Attributes:
        registration: Key of the registration.
        started_us: Start of the run. Several runs of a handler may have the same start, if the test moves no time.
        trigger: The trigger of the run.
    """

    registration: tuple[str, ...]
    started_us: int
    trigger: EventTrigger | DueTrigger


class SeenLine(NamedTuple):
    """A log line, with its place in the order.

    Attributes:
        run: The run that logged the line; None outside a run.
    """

    order: int
    at_us: int
    level: str
    text: str
    run: RunKey | None


class SeenError(NamedTuple):
    """An error outside of runs that the framework has logged, such as that of an error hook.

    Attributes:
        at_us: The time.
        app: The app, such as ``motion_light.hall``.
        text: The message, with its facts.
    """

    at_us: int
    app: str
    text: str


class SeenSkips(NamedTuple):
    """Triggers without a run, for one reason, that the framework counted together.

    Attributes:
        at_us: The time of the last of them.
        order: The place of the last of them in the order.
        skip: The registration, the hour, the reason and the count.
        sampled: The number of them in `Recorder.samples`.
    """

    at_us: int
    order: int
    skip: SkipCount
    sampled: int


class Recorder(logging.Handler):
    """Collects records, events, calls and log lines of one home. It is a sink of the executor and a log handler.

    Args:
        simulated: The simulated home.
        clock: The home's clock.
        thread: The thread of the home's event loop.
        kept: Maximum number of items of each kind. The oldest are dropped first.

    Attributes:
        records: The runs, in the order of their ends.
        skips: The counts of triggers without a run.
        samples: Single triggers without a run.
        lifecycle: The events of the framework.
        events: The events of the home.
        lines: The log lines of the framework and the apps.
        errors: The errors outside of runs that the framework has logged.
        notes: Actions of the test that the home does not see, such as the start of an app.
        orders: The places in the order of runs, skipped triggers and events of the framework, by a key.
        registrations: All listeners and jobs that were registered.
        causes: The exceptions with which apps failed, by ``app_key.instance``.
    """

    def __init__(self, simulated: SimulatedHome, clock: TimerClock, thread: threading.Thread, kept: int) -> None:
        super().__init__(logging.INFO)
        self._clock = clock
        self._thread = thread
        self._order = 0
        self._last_id = 0
        self._lines_lock = threading.Lock()
        self.records: deque[Record] = deque(maxlen=kept)
        self.skips: deque[SeenSkips] = deque(maxlen=kept)
        self.samples: deque[NotRun] = deque(maxlen=kept)
        self.lifecycle: deque[LifecycleEvent] = deque(maxlen=kept)
        self.events: deque[SeenEvent] = deque(maxlen=kept)
        self.lines: deque[SeenLine] = deque(maxlen=kept)
        self.errors: deque[SeenError] = deque(maxlen=kept)
        self.notes: deque[SeenLine] = deque(maxlen=kept)
        self.orders: dict[OrderKey, list[int]] = {}
        self._kept = kept
        self._last_skips: dict[SkipKey, tuple[int, int]] = {}
        self.registrations: dict[tuple[str, ...], Registration] = {}
        self.causes: dict[str, BaseException] = {}
        self._simulated = simulated
        simulated.core.listen("*", self._see_event)

    async def write(self, batch: Batch) -> None:
        """Keep the content of a batch."""
        records = batch.records()
        self.records.extend(records)
        if records:
            self._last_id = max(self._last_id, records[-1].id)
        sampled = Counter(_sample_key(sample) for sample in batch.not_runs)
        for skip in batch.skipped:
            key = _skip_key(skip)
            at_us, order = self._last_skips.get(key, (batch.at_us, self._order))
            self.skips.append(SeenSkips(at_us, order, skip, sampled[key]))
        self.samples.extend(batch.not_runs)
        self.lifecycle.extend(batch.lifecycle)
        for registration in batch.registered:
            self.registrations[registration.key] = registration

    async def last_id(self) -> int:
        """Return the highest id of all records received so far."""
        return self._last_id

    def _see_event(self, event: Mapping[str, Any]) -> None:
        self._order += 1
        self.events.append(SeenEvent(self._order, self._clock.wall_ns() // 1_000, event))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log line of this home."""
        is_home = threading.current_thread() is self._thread or current_thread_call() is not None
        if not is_home and current_app() is None:
            return  # another thread, such as that of the test
        # The records contain the facts of the outcome log. At level info, only lines of apps are of interest.
        if record.name == OUTCOME_LOGGER or not (
            record.levelno >= logging.WARNING or record.name.startswith(APP_LOGGER)
        ):
            return
        error = record.exc_info[1] if record.exc_info else None
        facts = vars(record)
        if error is not None and isinstance(facts.get("app"), str):
            self.causes[facts["app"]] = error
        text = _text_of(record.getMessage(), facts)
        if record.levelno >= logging.ERROR and record.name.startswith(CRASH_LOGGERS):
            self.errors.append(SeenError(self._clock.wall_ns() // 1_000, _app_of(facts), text))
        execution = current_execution()
        run = None
        if execution is not None:
            offset_ns = self._clock.wall_ns() - self._clock.monotonic_ns()
            command = execution.command
            started_us = (execution.started_ns + offset_ns) // 1_000
            run = RunKey(command.registration.key, started_us, command.trigger)
        with self._lines_lock:
            self._order += 1
            self.lines.append(
                SeenLine(self._order, self._clock.wall_ns() // 1_000, record.levelname.lower(), text, run)
            )

    def forget_errors(self, app: str) -> None:
        """Forget the errors of an app so far, because the test has received them."""
        self.errors = deque((each for each in self.errors if each.app != app), maxlen=self.errors.maxlen)

    def note_run(self, registration: Registration, trigger: Trigger) -> None:
        """Note that a run begins now."""
        self._note_order(RunKey(registration.key, self._clock.wall_ns() // 1_000, trigger))

    def note_skip(self, registration: Registration, reason: str, trigger: Trigger | None) -> None:
        """Note that a trigger leads to no run."""
        at_us = self._clock.wall_ns() // 1_000
        order = self._note_order((registration.key, at_us, reason, trigger))
        self._last_skips[registration.key, at_us - at_us % HOUR_US, reason] = (at_us, order)

    def note_report(self, kind: str, subject: str) -> None:
        """Note that an event of the framework happens now."""
        self._note_order((kind, subject, self._clock.wall_ns() // 1_000))

    def _note_order(self, key: "OrderKey") -> int:
        with self._lines_lock:
            self._order += 1
            self.orders.setdefault(key, []).append(self._order)
            if len(self.orders) > self._kept:
                del self.orders[next(iter(self.orders))]
            return self._order

    def note(self, text: str) -> None:
        """Keep an action of the test."""
        with self._lines_lock:
            self._order += 1
            self.notes.append(SeenLine(self._order, self._clock.wall_ns() // 1_000, "", text, None))

    def calls(self, zone: tzinfo, outcome: SeenOutcome) -> list[SeenCall]:
        """Return the service calls of the apps with an outcome, oldest first."""
        if outcome == "rehearsed":
            calls = [call for record in self.records for call in rehearsed_calls(record)]
            return sorted((_rehearsed_call(call, zone) for call in calls), key=lambda call: call.time)
        user_id = self._simulated.core.user_id
        calls = self._simulated.calls if outcome == "accepted" else self._simulated.refused_calls
        return [call_of(call, zone) for call in calls if call.context.user_id == user_id]

    def runs(self, zone: tzinfo) -> list[tuple[int, SeenRun]]:
        """Return the id of each run, and the run, oldest first."""
        return [(record.id, run_of(record, zone)) for record in self.records]

    def not_runs(self, zone: tzinfo) -> list[SeenNotRun]:
        """Return the triggers without a run, by handler, hour and reason."""
        counts: Counter[SkipKey] = Counter()
        samples: dict[SkipKey, list[NotRun]] = {}
        registrations: dict[tuple[str, ...], Registration] = {}
        for _, _, skip, _ in self.skips:
            counts[_skip_key(skip)] += skip.count
            registrations[skip.registration.key] = skip.registration
        for sample in self.samples:
            samples.setdefault(_sample_key(sample), []).append(sample)
        return [
            SeenNotRun(
                app=registrations[key].app,
                instance=registrations[key].instance,
                handler=registrations[key].name,
                reason=reason,
                count=count,
                hour=local(hour_us, zone),
                samples=tuple(_sample(each, zone) for each in samples.get((key, hour_us, reason), ())),
            )
            for (key, hour_us, reason), count in counts.items()
        ]


def _app_of(facts: Mapping[str, Any]) -> str:
    """Return the app of a log line, from its fact ``app`` or ``registration``. Empty if there is none."""
    if isinstance(app := facts.get("app"), str):
        return app
    registration = facts.get("registration")
    return ".".join(registration[:2]) if isinstance(registration, tuple) else ""  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  a key is a tuple of texts


def _text_of(message: str, facts: Mapping[str, Any]) -> str:
    """Return a log line with the facts that describe a problem: the handler or the service, and the error."""
    registration = facts.get("registration")
    subject = facts.get("service", ".".join(registration) if isinstance(registration, tuple) else None)  # pyright: ignore[reportUnknownArgumentType]  a key is a tuple of texts
    problem = next((facts[key] for key in PROBLEM_KEYS if facts.get(key)), None)
    return "".join([message, f" ({subject})" if subject else "", f": {problem}" if problem else ""])


OrderKey = tuple[object, ...]
"""Identifies a run (`RunKey`), a skipped trigger, or an event of the framework."""
SkipKey = tuple[tuple[str, ...], int, str]
"""The registration, the start of the hour (UTC), and the reason."""


def _skip_key(skip: SkipCount) -> SkipKey:
    return skip.registration.key, skip.hour_us, skip.reason


def _sample_key(sample: NotRun) -> SkipKey:
    return sample.registration.key, sample.at_us - sample.at_us % HOUR_US, sample.reason


def _sample(sample: NotRun, zone: tzinfo) -> NotRunSample:
    return NotRunSample(
        time=local(sample.at_us, zone),
        detail=sample.detail,
        trigger="" if sample.trigger is None else describe_trigger(sample.trigger, zone),
    )


def local(at_us: int, zone: tzinfo) -> datetime:
    """Return microseconds since the Unix epoch as a time of the home."""
    return (EPOCH + timedelta(microseconds=at_us)).astimezone(zone)


def call_of(call: HomeCall, zone: tzinfo) -> SeenCall:
    """Return the call of an app."""
    named = call.target.get("entity_id", [])
    other_targets = {key: value for key, value in call.target.items() if key != "entity_id"}
    return SeenCall(
        service=f"{call.domain}.{call.service}",
        entities=tuple(dict.fromkeys([*named, *call.entity_ids])),
        data={**other_targets, **call.data},
        time=call.time.astimezone(zone),
        context_id=call.context.id,
        outcome="accepted" if call.error is None else "refused",
        error=call.error,
    )


def rehearsed_calls(record: Record) -> list[ServiceCall]:
    """Return the calls of a run that were not sent, because the app rehearses."""
    return [] if record.effects is None else [call for call in record.effects.service_calls if call.rehearsed]


def _rehearsed_call(call: ServiceCall, zone: tzinfo) -> SeenCall:
    target = parse_fields(call.target)
    named: Any = target.pop("entity_id", ())
    return SeenCall(
        service=f"{call.domain}.{call.service}",
        entities=(named,) if isinstance(named, str) else tuple(named),
        data={**target, **parse_fields(call.data)},
        time=local(call.at_us, zone),
        context_id="",
        outcome="rehearsed",
        error=call.error,
    )


def parse_fields(text: str) -> dict[str, Any]:
    """Return the fields of a recorded call. A record contains only the first part of a long text, which is not JSON."""
    try:
        return cast("dict[str, Any]", json.loads(text)) if text else {}
    except json.JSONDecodeError:
        return {"truncated": text}


def run_of(record: Record, zone: tzinfo) -> SeenRun:
    """Return the run of a record."""
    registration, failure, effects = record.registration, record.failure, record.effects
    return SeenRun(
        app=registration.app,
        instance=registration.instance,
        handler=registration.name,
        kind="handler" if isinstance(record, HandlerInvocation) else "job",
        status=record.status.value,
        started=local(record.started_us, zone),
        duration_s=record.duration_us / 1e6,
        trigger=describe_trigger(record.trigger, zone),
        error=None if failure is None else f"{failure.type}: {failure.message}",
        traceback="" if failure is None else failure.traceback,
        logs=() if effects is None else tuple(line.message for line in effects.log_lines),
        calls=() if effects is None else tuple(f"{call.domain}.{call.service}" for call in effects.service_calls),
    )


def describe_trigger(trigger: EventTrigger | DueTrigger, zone: tzinfo) -> str:
    """Return the reason for a run in a few words."""
    if isinstance(trigger, DueTrigger):
        return "run now" if trigger.manual else f"due at {local(trigger.due_us, zone):%H:%M:%S}"
    if trigger.event_type != "state_changed":
        return trigger.event_type
    missed = " (missed)" if trigger.missed else ""
    return f"{trigger.entity_id}: {trigger.old_state} → {trigger.new_state}{missed}"


def compact(data: Mapping[str, Any]) -> str:
    """Return data as ``key=value`` pairs."""
    return " ".join(f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in data.items())
