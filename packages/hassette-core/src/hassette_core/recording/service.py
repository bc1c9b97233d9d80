"""`RecordingService`: keep the recorded names current, and find out which user Hassette is."""

import asyncio
from typing import Any, Final

from hassette_core.clock import TimerClock
from hassette_core.errors import LinkError
from hassette_core.home.data import HomeData
from hassette_core.link import Connection, ConnectionService, HomeAssistantLink
from hassette_core.recording.home_names import NameRecorder
from hassette_core.recording.home_recorder import HomeRecorder
from hassette_executor import CommandExecutor

_AT_ONCE: Final = 1_000
_PAUSE_S: Final = 1.0
"""Wait between two groups of `_AT_ONCE` names. A batch holds a limited number of names."""


class RecordingService(ConnectionService):
    """Records the names of the home after each reading of the registries.

    Args:
        link: The connection.
        executor: Records the names.
        recorder: Learns which user the access token belongs to. None records no changes of the home.
        names: Finds the changed names. None records no names.
        data: The registries.
        clock: Times the pauses.

    Attributes:
        name: ``recording``.
    """

    name = "recording"

    def __init__(
        self,
        link: HomeAssistantLink,
        executor: CommandExecutor,
        recorder: HomeRecorder | None,
        names: NameRecorder | None,
        data: HomeData,
        clock: TimerClock,
    ) -> None:
        super().__init__(link)
        self._executor = executor
        self._recorder = recorder
        self._names = names
        self._data = data
        self._clock = clock

    async def stop(self) -> None:
        """Make `serve` end, and record the service calls that wait for a response."""
        await super().stop()
        if self._recorder is not None:
            self._recorder.record_held()

    async def _follow(self, connection: Connection) -> None:
        if self._recorder is not None:
            await self._find_user(connection, self._recorder)
        while True:
            await self._data.loaded.wait()
            self._data.loaded.clear()
            if self._names is not None:
                changed = self._names.changed(self._data.registries)
                for start in range(0, len(changed), _AT_ONCE):
                    if start:
                        await self._pause()
                    for name in changed[start : start + _AT_ONCE]:
                        self._executor.note(name)

    async def _find_user(self, connection: Connection, recorder: HomeRecorder) -> None:
        try:
            user: Any = await connection.command("find the user of the token", "auth/current_user")
        except LinkError:
            return  # calls of Hassette are then recorded twice: in their runs, and as causes
        match user:
            case {"id": str(user_id)}:
                recorder.user_id = user_id
                self._executor.set_session_facts(user=user_id)
            case _:
                pass  # an unknown answer: as above

    async def _pause(self) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(_PAUSE_S, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()
