"""`Recording`: connects the recorder of the home to the link, the bus and the api."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from hassette_core.clock import TimerClock
from hassette_core.config import RecordingSettings
from hassette_core.errors import CallFailedError
from hassette_core.events import Event, State
from hassette_core.home import HomeEntries
from hassette_core.link import Connection
from hassette_core.recording.framework_log import FrameworkLog
from hassette_core.recording.home_names import NameRecorder
from hassette_core.recording.home_recorder import ACTIVE_DOMAINS, HomeRecorder
from hassette_core.redaction import Redaction
from hassette_executor import CommandExecutor, HomeName, ServiceCall, is_in_run

_NAMES_AT_ONCE: Final = 1_000
_PAUSE_S: Final = 1.0


class EventsAndCalls(Protocol):
    """Receives the events of the home, and the service calls of apps. The bus is one."""

    def dispatch(self, event: Event) -> None:
        """Receive an event."""
        ...

    def record_call(self, call: ServiceCall, *, is_cause: bool = False) -> None:
        """Receive a service call that has ended. ``is_cause`` states that the history contains it without its run."""
        ...


class Recording:
    """Records changes of the home, their causes, names, and log lines outside runs, as far as the settings allow.

    It observes the `HomeService`, which reads the registries.

    Args:
        settings: The extent of the recording.
        executor: Records the circumstances.
        bus: Receives each event and each service call after it.
        states: The current states, which have the friendly names.
        clock: Wall clock, monotonic clock and timers.
        redact: Masks secrets.
        records: False if there is no sink. Nothing is recorded then.

    Attributes:
        receive: Records an event if it is a change of the home or a cause, and passes it to the bus.
    """

    def __init__(
        self,
        settings: RecordingSettings,
        executor: CommandExecutor,
        bus: EventsAndCalls,
        states: Mapping[str, State],
        clock: TimerClock,
        redact: Redaction,
        *,
        records: bool = True,
    ) -> None:
        self._executor = executor
        self._bus = bus
        self._clock = clock
        self._was_connected = False
        self._names = NameRecorder(states, redact) if records and settings.names else None
        self._log = FrameworkLog(executor, redact, clock) if records and settings.log else None
        self._recorder = (
            HomeRecorder(
                executor,
                bus.dispatch,
                clock=clock,
                redact=redact,
                domains=ACTIVE_DOMAINS if settings.domains is None else settings.domains,
                exclude=settings.exclude,
            )
            if records and settings.home
            else None
        )
        self.receive: Callable[[Event], None] = bus.dispatch if self._recorder is None else self._recorder.receive

    def logging(self) -> AbstractContextManager[None]:
        """Record warnings and errors outside runs while the ``with`` block runs."""
        return nullcontext() if self._log is None else self._log.installed()

    def begin_call(self) -> None:
        """Count a service call that an app or the framework begins. `record_call` ends it."""
        if self._recorder is not None:
            self._recorder.calling()

    def record_call(self, call: ServiceCall) -> None:
        """Add a service call to the record of its run. Its event is then no cause.

        The event of a call after the end of its run is recorded as a cause, so this call is not counted as lost.
        """
        if self._recorder is None:
            self._bus.record_call(call)
            return
        called = self._recorder.called(call)
        self._bus.record_call(called, is_cause=called.context_id is not None and not is_in_run())

    async def connected(self, connection: Connection) -> None:
        """Record the time of the first connection, and find out which user Hassette is.

        The user shows which service calls are Hassette's own.
        """
        if self._recorder is None:
            return
        if not self._was_connected:
            # A cause from before this moment is not recorded. Each later connection is an event of the history.
            self._was_connected = True
            now = datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC)
            self._executor.set_session_facts(connected=now.isoformat(timespec="milliseconds"))
        try:
            user: Any = await connection.command("find the user of the token", "auth/current_user")
        except CallFailedError:
            return  # the events of all users then wait for a response to Hassette (`OwnCalls`)
        match user:
            case {"id": str(user_id)}:
                self._recorder.user_id = user_id
                self._executor.set_session_facts(user=user_id)
            case _:
                pass  # an unknown answer: as above

    def loaded(self, entries: HomeEntries) -> None:
        """Record the names that have changed, some at a time, because a batch holds a limited number."""
        if self._names is not None:
            self._record_names(self._names.changed(entries))

    def stopped(self) -> None:
        """Record the service calls that wait for a response."""
        if self._recorder is not None:
            self._recorder.record_held()

    def _record_names(self, names: Sequence[HomeName]) -> None:
        for name in names[:_NAMES_AT_ONCE]:
            self._executor.note(name)
        if left := names[_NAMES_AT_ONCE:]:
            self._clock.call_later(_PAUSE_S, lambda: self._record_names(left))
