"""`HomeService`: read the registries of Home Assistant after each connection, and when they change."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Protocol

from hassette_core.clock import TimerClock
from hassette_core.errors import CallFailedError, LinkError, UnexpectedAnswerError
from hassette_core.home.data import HomeData
from hassette_core.home.entries import (
    HomeEntries,
    parse_areas,
    parse_devices,
    parse_entities,
    parse_floors,
    parse_labels,
    parse_persons,
    parse_users,
)
from hassette_core.link import Connection, ConnectionService, HomeAssistantLink
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

DEBOUNCE_S = 0.5
"""Wait after a change of a registry, in seconds. A new device changes several registries many times."""
RETRY_S = 30.0
"""Wait before the registries are read again after a failure, in seconds."""
EVENTS = (
    *("area_registry_updated", "device_registry_updated", "entity_registry_updated", "floor_registry_updated"),
    *("label_registry_updated", "user_added", "user_removed", "user_updated"),
)
_ACTION = "read the registries"


class HomeObserver(Protocol):
    """Receives what `HomeService` reads. Without one, nothing else uses it."""

    async def connected(self, connection: Connection) -> None:
        """Receive each new connection, before the registries are read."""
        ...

    def loaded(self, entries: HomeEntries) -> None:
        """Receive the registries each time that they have been read."""
        ...

    def stopped(self) -> None:
        """Learn that the service stops."""
        ...


class HomeService(ConnectionService):
    """Keeps `HomeData` current.

    If the registries cannot be read, the last known ones remain, and the service tries again.

    Args:
        link: The connection.
        data: The registries, which this service loads.
        clock: Times the debounce and the retries.
        observer: Receives the registries, too.

    Attributes:
        name: ``home registries``.
        reads: Number of times that the registries have been read.
    """

    name = "home registries"

    def __init__(
        self, link: HomeAssistantLink, data: HomeData, clock: TimerClock, observer: HomeObserver | None = None
    ) -> None:
        super().__init__(link)
        self._observer = observer
        self._data = data
        self._clock = clock
        self._wake = asyncio.Event()
        self._stale = False
        self._extracts = True
        self._extracted: set[tuple[str, str]] = set()
        self._repeated = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)
        self.reads = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        data.on_use(self._wake_up)

    async def stop(self) -> None:
        """Make `serve` end. May be called twice."""
        await super().stop()
        if self._observer is not None:
            self._observer.stopped()

    async def _follow(self, connection: Connection) -> None:
        """Read the registries, and read them again when they change."""
        self._loop = asyncio.get_running_loop()
        self._extracts = True
        if self._observer is not None:
            await self._observer.connected(connection)
        for event_type in EVENTS:
            try:
                await connection.subscribe_command(_ACTION, self._changed, "subscribe_events", event_type=event_type)
            except CallFailedError:
                continue  # only an administrator may subscribe to the events of users
        self._stale = True
        while True:
            self._wake.clear()
            try:
                if self._stale:
                    self._stale = False
                    entries = await _read(connection)
                    self._data.load(entries)
                    if self._observer is not None:
                        self._observer.loaded(entries)
                    self.reads += 1
                    self._extracted.clear()
                await self._extract(connection)
            except LinkError as error:
                self._stale = True
                self._repeated.log(
                    "read",
                    logging.WARNING,
                    "Registries of Home Assistant could not be read; the last known ones are used",
                    extra={"problem": str(error), "seconds": RETRY_S},
                )
                timer = self._clock.call_later(RETRY_S, self._wake.set)
            else:
                timer = None
            try:
                await self._wake.wait()
            finally:
                if timer is not None:
                    timer.cancel()
            if self._stale:
                await self._pause()

    async def _pause(self) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(DEBOUNCE_S, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    def _wake_up(self) -> None:
        """Let `serve` look for new parts of the home. A thread of an app may call this."""
        if self._loop is None:
            return  # all parts that apps use are looked for after the connection
        with suppress(RuntimeError):  # the framework has ended before the thread, and has closed the loop
            self._loop.call_soon_threadsafe(self._wake.set)

    def _changed(self, event: Any) -> None:
        self._stale = True
        self._wake.set()

    async def _extract(self, connection: Connection) -> None:
        """Let Home Assistant find the entities of the parts that apps use, because its rules may change."""
        for scope in self._data.used:
            key = self._data.key_of(scope)
            if not self._extracts or key is None or (scope.kind, key) in self._extracted:
                continue
            self._extracted.add((scope.kind, key))
            try:
                answer = await connection.command(_ACTION, "extract_from_target", target={f"{scope.kind}_id": [key]})
            except CallFailedError as error:
                if error.code == "unknown_command":
                    self._extracts = False
                continue
            try:
                self._data.set_members(scope.kind, key, answer["referenced_entities"])
            except (LookupError, TypeError):
                continue  # the answer has an unknown shape; the rules of `Membership` apply


async def _read(connection: Connection) -> HomeEntries:
    async def ask(command: str) -> Any:
        return await connection.command(_ACTION, command)

    # Home Assistant works on the requests one after the other, but there is only one round trip.
    areas, floors, labels, devices, entities = await asyncio.gather(
        *(ask(f"config/{kind}_registry/list") for kind in ("area", "floor", "label", "device", "entity"))
    )
    try:
        users = parse_users(await ask("config/auth/list"))
    except CallFailedError:  # the access token does not belong to an administrator
        users = parse_persons(await ask("person/list"))
    try:
        return HomeEntries(
            parse_areas(areas),
            parse_floors(floors),
            parse_labels(labels),
            parse_devices(devices),
            users,
            parse_entities(entities),
        )
    except (TypeError, AttributeError) as error:
        raise UnexpectedAnswerError(_ACTION, repr(error)) from None
