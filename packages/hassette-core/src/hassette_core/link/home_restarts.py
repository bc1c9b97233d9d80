"""`HomeRestarts`: recognize each stop and each start of Home Assistant, and pass both on as events."""

from collections.abc import Callable

from hassette_core.clock import TimerClock
from hassette_core.events import Event, own_event
from hassette_core.link.inbox import MissedChanges

STARTED = "hassette_homeassistant_started"
STOPPED = "hassette_homeassistant_stopped"
_ANNOUNCEMENTS = ("homeassistant_stop", "homeassistant_final_write")


class HomeRestarts:
    """Passes on one event for each stop and one for each start of Home Assistant.

    Home Assistant announces its stop, but may close the connection before the announcement is sent. It announces its
    start, but often before the connection is back. So a restart is also recognized by the new times of all states.

    Args:
        pass_on: Called with the events.
        clock: The time of the events.
    """

    def __init__(self, pass_on: Callable[[Event], None], clock: TimerClock) -> None:
        self._pass_on = pass_on
        self._clock = clock
        self._was_ready = False
        self._stopped = False
        self._closed_by_home = False

    def received(self, event_type: str) -> None:
        """Look at the type of each event of Home Assistant."""
        if event_type in _ANNOUNCEMENTS:
            self._stop()

    def lost(self, *, closed_by_home: bool) -> None:
        """Note the end of the connection."""
        self._closed_by_home = closed_by_home

    def unreachable(self) -> None:
        """Note that no server answers. If Home Assistant had closed the connection before, it has stopped."""
        if self._closed_by_home:
            self._stop()

    def ready(self, version: str | None, missed: MissedChanges, *, started: bool) -> None:
        """Note that Home Assistant is running, and that the missed changes have been passed on.

        Args:
            version: The version of Home Assistant.
            missed: The changes since the last connection. A restart gives all states new times. After an interruption
                without a restart, nearly all states are the same.
            started: Whether Home Assistant was still starting when the connection began.
        """
        restarted = started or (missed.touched > 0 and not missed.kept)
        if restarted and self._was_ready:  # the end of the first startup is no restart
            self._stop(late=True)
        self._was_ready = True
        if self._stopped:
            self._stopped = False
            self._emit(STARTED, {"version": version})
        self._closed_by_home = False

    def _stop(self, *, late: bool = False) -> None:
        if not self._stopped:
            self._stopped = True
            self._emit(STOPPED, {"late": late})

    def _emit(self, event_type: str, data: dict[str, object]) -> None:
        self._pass_on(own_event(event_type, data, self._clock.now(), self._clock.monotonic_ns()))
