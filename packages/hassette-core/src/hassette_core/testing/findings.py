"""`Findings`: the states, calls, runs and failures of the home that a test reads."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from hassette_core.testing.errors import HomeTestError, UnexpectedFailureError
from hassette_core.testing.failures import service_names
from hassette_core.testing.names import checked_entity_id, checked_service, unknown
from hassette_core.testing.observations import SeenCall, SeenNotRun, SeenOutcome, SeenRun
from hassette_core.testing.recorder import SERVICE_FAILURES, local
from hassette_core.testing.session import KEPT, PATIENCE_S
from hassette_core.testing.timeline import HomeTimeline, make_timeline
from hassette_core.testing.virtual_time import VirtualTime
from hassette_executor import Registration

HandlerOrName = str | Callable[..., object]
"""A handler: its name (``"turn_on"`` or ``"motion_light.turn_on"``) or its method (``MotionLight.turn_on``).

A listener or job with the option ``name`` is found by this name, and by the name of its method."""


class Findings(VirtualTime):
    """Base class of `HomeUnderTest`: states, calls, runs and failures."""

    def __init__(self, data_dir: Path, *, seed: int = 1, patience_s: float = PATIENCE_S, kept: int = KEPT) -> None:
        super().__init__(data_dir, seed=seed, patience_s=patience_s, kept=kept)
        self._seen: set[int] = set()
        self._seen_conditions: Counter[str] = Counter()
        self._seen_others: set[tuple[object, ...]] = set()
        self._expects_failures = False

    def state(self, entity_id: str) -> str:
        """Return the state of an entity.

        Raises:
            HomeTestError: There is no such entity.
        """
        return self._entity(entity_id)["state"]

    def attributes(self, entity_id: str) -> dict[str, Any]:
        """Return the attributes of an entity.

        Raises:
            HomeTestError: There is no such entity.
        """
        return dict(self._entity(entity_id)["attributes"])

    def _entity(self, entity_id: str) -> dict[str, Any]:
        states = self._system.simulated.core.states
        if (state := self._read(lambda: states.get(checked_entity_id(entity_id, states)))) is None:
            raise self._unknown_entity(entity_id)
        return state

    def _unknown_entity(self, entity_id: str) -> HomeTestError:
        instead = f'Add it with home.set("{entity_id}", …)'
        return unknown("entity_id", entity_id, self._system.simulated.core.states, instead)

    def calls(
        self, service: str | None = None, entity: str | None = None, *, outcome: SeenOutcome = "accepted"
    ) -> list[SeenCall]:
        """Return the service calls of the apps, oldest first.

        Args:
            service: Only calls of this service, such as ``light.turn_on``.
            entity: Only calls whose target names this entity.
            outcome: ``accepted``; ``refused`` for calls that the home refused or whose service failed; ``rehearsed``
                for calls of finished runs that were not sent, because the app rehearses.

        Raises:
            HomeTestError: There is no such service or entity.
        """
        if service is not None:
            self._check_service(service)
        if outcome not in get_args(SeenOutcome):
            raise HomeTestError(f"outcome must be one of {', '.join(get_args(SeenOutcome))}, got {outcome!r}")
        read = self._read_flushed if outcome == "rehearsed" else self._read
        calls = read(lambda: self._system.recorder.calls(self._system.zone, outcome))
        if entity is not None and not any(entity in call.entities for call in calls):
            self._entity(entity)
        return [
            call for call in calls if service in (None, call.service) and (entity is None or entity in call.entities)
        ]

    def _check_service(self, service: str) -> None:
        names = self._read(lambda: service_names(self._system.simulated))
        if checked_service(service, names) not in names:
            raise unknown("service", service, names, f'Add it with home.add_service("{service}")')

    def runs(self, handler: HandlerOrName | None = None) -> list[SeenRun]:
        """Return the finished runs, oldest first. The test has then looked at the failures among them.

        Args:
            handler: Only runs of this handler or job.

        Raises:
            HomeTestError: There is no such handler or job.
        """
        names = self._names_of(handler)
        runs: list[SeenRun] = []
        for number, run in self._read_flushed(lambda: list(self._system.recorder.runs(self._system.zone))):
            if names is None or (run.app, run.instance, run.handler) in names:
                self._seen.add(number)
                runs.append(run)
        return runs

    def not_runs(self, handler: HandlerOrName | None = None) -> list[SeenNotRun]:
        """Return the triggers that led to no run, with the reason, the count and samples.

        The test has then looked at the conditions among them that failed.

        Args:
            handler: Only triggers of this handler or job.

        Raises:
            HomeTestError: There is no such handler or job.
        """
        names = self._names_of(handler)
        found = [
            each
            for each in self._read_flushed(lambda: self._system.recorder.not_runs(self._system.zone))
            if names is None or (each.app, each.instance, each.handler) in names
        ]
        self._seen_conditions |= _failed_conditions(found)
        return found

    def _names_of(self, handler: HandlerOrName | None) -> set[tuple[str, str, str]] | None:
        if handler is None:
            return None
        if not (isinstance(handler, str) or hasattr(handler, "__qualname__")):
            raise HomeTestError(f"handler must be a name such as 'turn_on', or a method, got {handler!r}")
        registrations = self._read_flushed(lambda: list(self._system.recorder.registrations.values()))
        # A job with the option `name`, for example, is also found by the name of its method.
        matching = [each for each in registrations if _is_handler(each, handler)] or [
            each for each in registrations if isinstance(handler, str) and _is_handler(_named_by_method(each), handler)
        ]
        found = {(each.app, each.instance, each.name) for each in matching}
        if not found:
            name = handler if isinstance(handler, str) else handler.__qualname__
            instead = "" if registrations else "No app has registered a handler; start one with home.add_app()"
            raise unknown("handler", name, {each.name for each in registrations}, instead)
        return found

    def timeline(self) -> HomeTimeline:
        """Return all events of the home so far. ``print(home.timeline())`` shows them."""
        return self._read_flushed(lambda: make_timeline(self._system.recorder, self._system.zone, self._system.redact))

    def assert_called(
        self, service: str, entity: str | None = None, /, *, times: int | None = None, **data: Any
    ) -> None:
        """Fail unless an app has called a service. Only accepted calls count; see `calls`.

        Args:
            service: For example ``light.turn_on``.
            entity: An entity that the target names.
            times: The exact number of calls. None accepts one or more.
            **data: Fields that the call must contain.

        Raises:
            AssertionError: There was no such call, or another number of calls.
            HomeTestError: There is no such service or entity.
        """
        __tracebackhide__ = True
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 0):  # pyright: ignore[reportUnnecessaryIsInstance]  tests are not all checked
            raise HomeTestError(f"times must be a whole number, 0 or more, got {times!r}")
        found = [
            call
            for call in self.calls(service, entity)
            if all(key in call.data and call.data[key] == value for key, value in data.items())
        ]
        if times is None and not found:
            raise AssertionError(f"{_describe_call(service, entity, data)} was not called; {self._described_calls()}")
        if times is not None and len(found) != times:
            raise AssertionError(
                f"{_describe_call(service, entity, data)} must be called {times} times, got {len(found)};"
                f" {self._described_calls()}"
            )

    def assert_not_called(self, service: str | None = None, entity: str | None = None, /) -> None:
        """Fail if an app has called a service.

        Args:
            service: For example ``light.turn_on``. None stands for all services.
            entity: Only calls whose target names this entity.

        Raises:
            AssertionError: There was such a call.
            HomeTestError: There is no such service or entity.
        """
        __tracebackhide__ = True
        found = self.calls(service, entity)
        if found:
            raise AssertionError(f"{len(found)} calls were not expected: {', '.join(map(str, found))}")

    def _described_calls(self) -> str:
        calls = self.calls()
        return f"the apps called {', '.join(map(str, calls))}" if calls else "the apps called no service"

    def expect_failures(self) -> None:
        """Accept failures in this test. Without this call, a failure that the test did not look at fails it."""
        self._expects_failures = True

    def check_failures(self) -> None:
        """Fail if something failed and the test did not look at it. The pytest plugin calls this after the test.

        This includes runs, hooks of apps, conditions that raised an exception, and services of the framework. Each
        failure is reported once.

        Raises:
            UnexpectedFailureError: There was a failure that the test neither looked at nor expected.
            Exception: A request failed that an ``async def`` test did not await.
        """
        __tracebackhide__ = True  # pytest leaves out this function
        runs, not_runs, others = self._read_flushed(self._failures)
        failed = [run for number, run in runs if run.failed and number not in self._seen]
        conditions = _failed_conditions(not_runs) - self._seen_conditions
        details = {each.name: each.samples[-1].detail for each in not_runs if each.samples and _is_failed(each)}
        texts = [f"{name}: its condition failed {conditions[name]} ×, {details.get(name, '')}" for name in conditions]
        texts += [text for key, text in others if key not in self._seen_others]
        self._seen.update(number for number, _ in runs)
        self._seen_conditions += conditions
        self._seen_others.update(key for key, _ in others)
        if not self._expects_failures and (failed or texts):
            raise UnexpectedFailureError(
                [f"{run.started:%H:%M:%S} {run.name}: {run.error}\n{run.traceback}".rstrip() for run in failed], texts
            )

    def _failures(self) -> tuple[list[tuple[int, SeenRun]], list[SeenNotRun], list[tuple[tuple[object, ...], str]]]:
        recorder, zone = self._system.recorder, self._system.zone
        others: list[tuple[tuple[object, ...], str]] = [
            ((*each,), f"{local(each.at_us, zone):%H:%M:%S} {each.text}") for each in recorder.errors
        ]
        others += [
            ((event.id,), f"{local(event.at_us, zone):%H:%M:%S} {event.kind}, {event.subject}: {event.detail}")
            for event in recorder.lifecycle
            if event.kind in SERVICE_FAILURES
        ]
        return recorder.runs(zone), recorder.not_runs(zone), others


def _is_failed(not_run: SeenNotRun) -> bool:
    return not_run.reason == "predicate_failed"


def _failed_conditions(not_runs: Sequence[SeenNotRun]) -> Counter[str]:
    """Return how often the condition of each handler has raised an exception."""
    counts = Counter[str]()
    for each in filter(_is_failed, not_runs):
        counts[each.name] += each.count
    return counts


def _is_handler(registration: Registration, handler: HandlerOrName) -> bool:
    if not isinstance(handler, str):
        return registration.handler == f"{handler.__module__}.{handler.__qualname__}"
    app, instance, name = registration.app, registration.instance, registration.name
    return handler in (name, f"{app}.{name}", f"{app}.{instance}.{name}", registration.handler)


def _named_by_method(registration: Registration) -> Registration:
    return replace(registration, name=registration.handler.rpartition(".")[2])


def _describe_call(service: str, entity: str | None, data: dict[str, Any]) -> str:
    fields = [entity] if entity is not None else []
    return " ".join([service, *fields, *(f"{key}={value!r}" for key, value in data.items())])
