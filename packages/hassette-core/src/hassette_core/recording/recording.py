"""`Recording`: connects the recorder of the home to the link, the bus and the api."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from hassette_core.clock import TimerClock
from hassette_core.config import RecordingSettings
from hassette_core.events import Event, State
from hassette_core.home import HomeData
from hassette_core.link import HomeAssistantLink
from hassette_core.recording.framework_log import FrameworkLog
from hassette_core.recording.home_names import NameRecorder
from hassette_core.recording.home_recorder import ACTIVE_DOMAINS, HomeRecorder
from hassette_core.recording.service import RecordingService
from hassette_core.redaction import Redaction
from hassette_executor import CommandExecutor, ServiceCall


class EventsAndCalls(Protocol):
    """Receives the events of the home, and the service calls of apps. The bus is one."""

    def dispatch(self, event: Event) -> None:
        """Receive an event."""
        ...

    def record_call(self, call: ServiceCall) -> None:
        """Receive a service call that has ended."""
        ...


class Recording:
    """Records changes of the home, their causes, names, and log lines outside runs, as far as the settings allow.

    Args:
        settings: The extent of the recording.
        executor: Records the circumstances.
        bus: Receives each event and each service call after it.
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
        clock: TimerClock,
        redact: Redaction,
        *,
        records: bool = True,
    ) -> None:
        self._executor = executor
        self._bus = bus
        self._clock = clock
        self._redact = redact
        self._names = records and settings.names
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

    def record_call(self, call: ServiceCall) -> None:
        """Add a service call to the record of its run. Its event is then no cause."""
        if self._recorder is not None:
            self._recorder.called(call.context_id)
        self._bus.record_call(call)

    def service(self, link: HomeAssistantLink, data: HomeData, states: Mapping[str, State]) -> RecordingService:
        """Return the service that keeps the recorded names current.

        Args:
            link: The connection.
            data: The registries.
            states: The current states.
        """
        names = NameRecorder(states, self._redact) if self._names else None
        return RecordingService(link, self._executor, self._recorder, names, data, self._clock)
