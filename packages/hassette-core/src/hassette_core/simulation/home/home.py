"""The simulated home, as a service: Home Assistant's API on loopback, and a house behind it that lives."""

import asyncio
from random import Random
from types import TracebackType
from typing import Self

from aiohttp import web

from hassette_core.simulation.home.automation import GuestWifi
from hassette_core.simulation.home.core import HomeCore, Json
from hassette_core.simulation.home.house import furnish
from hassette_core.simulation.home.life import Life
from hassette_core.simulation.home.load import Load
from hassette_core.simulation.home.rest import RestApi
from hassette_core.simulation.home.services import Services
from hassette_core.simulation.home.things import SERVICES
from hassette_core.simulation.home.websocket import Session

VERSION = "2025.4.4"
"""The Home Assistant that the contract tests compare the simulated home with."""
HOST = "127.0.0.1"


class SimulatedHome:
    """A small house with Home Assistant's WebSocket and REST API, for a demonstration or a test.

    It listens on 127.0.0.1 only. ``async with`` starts it and lets it live; as a service, `start` makes it answer and
    `serve` makes it live.

    Args:
        port: Where to listen; 0 takes a free port.
        seed: The same seed brings the same life.
        speed: The house's seconds per second of ours: at 60, fifteen seconds show a quarter of an hour. At 0 nothing
            happens by itself.
        events_per_second: Load on top of the life: changes of ``sensor.load_1`` and its like.
        token: The access token that is accepted.

    Attributes:
        name: ``simulated home``.
        core: Its states and events, for a test that wants to meddle.
        token: The access token that is accepted.
    """

    name = "simulated home"

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 1,
        speed: float = 60.0,
        events_per_second: float = 0.0,
        token: str = "simulated-home",  # noqa: S107  it opens nothing but this process's own loopback port
    ) -> None:
        self.core = HomeCore(Random(f"ids {seed}"))  # noqa: S311  a game of chance, no secret
        self.token = token
        self._port = port
        self._random = Random(f"life {seed}")  # noqa: S311
        self._speed = speed
        self._events_per_second = events_per_second
        self._state = "RUNNING"
        self._services = Services(self.core, SERVICES)
        self._sessions: set[Session] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._runner: web.AppRunner | None = None
        self._serving: asyncio.Task[None] | None = None
        self._owned: asyncio.Task[None] | None = None
        furnish(self.core)
        GuestWifi(self.core, self._services)

    @property
    def port(self) -> int:
        """Where it listens, or will."""
        return self._port

    @property
    def url(self) -> str:
        """Its address, once started."""
        return f"http://{HOST}:{self._port}"

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Listen and answer.

        Raises:
            OSError: The port is taken.
        """
        app = web.Application()
        app.router.add_get("/api/websocket", self._welcome)
        app.add_routes(RestApi(self.core, self._services, self.configuration, self.token).routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise OSError(
                error.errno, f"the simulated home cannot listen on {HOST}:{self._port}: the port is taken"
            ) from None
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def serve(self) -> None:
        """Live until stopped."""
        self._serving = asyncio.create_task(self._live(), name=self.name)
        try:
            await asyncio.wait((self._serving,))
        finally:
            self._serving.cancel()
        if not self._serving.cancelled():
            self._serving.result()

    async def stop(self) -> None:
        """Hang up on everybody and stop listening. The port stays the same for another `start`."""
        if self._serving is not None:
            self._serving.cancel()
        self._flowing.set()
        self.drop_connections()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        self._owned = asyncio.create_task(self.serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
        assert self._owned is not None
        self._owned.cancel()
        await asyncio.wait((self._owned,))
        if not self._owned.cancelled() and (failure := self._owned.exception()) is not None and error is None:
            raise failure

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._speed > 0:
                tasks.create_task(Life(self.core, self._random, self._speed).live())
            if self._events_per_second > 0:
                tasks.create_task(Load(self.core, self._events_per_second).press())
            await asyncio.Event().wait()

    # ------------------------------------------------------------ what a test may do to it

    def drop_connections(self) -> None:
        """Hang up on every WebSocket client."""
        for session in tuple(self._sessions):
            session.drop()

    def hang(self) -> None:
        """Answer nothing more, with the connections open, as Home Assistant does when its loop is stuck."""
        self._flowing.clear()

    def wake(self) -> None:
        """Go on after `hang`, with everything that has come in meanwhile."""
        self._flowing.set()

    def begin_starting(self) -> None:
        """Be as Home Assistant is just after it has begun to listen: not started completely."""
        self._state = "NOT_RUNNING"

    def finish_starting(self) -> None:
        """Be started completely, and say so."""
        self._state = "RUNNING"
        self.core.fire("homeassistant_started")

    # ------------------------------------------------------------ answers

    def configuration(self) -> Json:
        """Return the answer to ``get_config``."""
        return {
            "allowlist_external_dirs": [],
            "allowlist_external_urls": [],
            "components": sorted(
                {"api", "websocket_api", *SERVICES, "binary_sensor", "person", "sensor", "sun", "zone"}
            ),
            "config_dir": "/config",
            "config_source": "storage",
            "country": "NL",
            "currency": "EUR",
            "debug": False,
            "elevation": 2,
            "external_url": None,
            "internal_url": None,
            "language": "en",
            "latitude": 52.37,
            "location_name": "Simulated home",
            "longitude": 4.89,
            "radius": 100,
            "recovery_mode": False,
            "safe_mode": False,
            "state": self._state,
            "time_zone": "Europe/Amsterdam",
            "unit_system": {
                "length": "km",
                "accumulated_precipitation": "mm",
                "area": "m²",
                "mass": "g",
                "pressure": "Pa",
                "temperature": "°C",
                "volume": "L",
                "wind_speed": "m/s",
            },
            "version": VERSION,
            "whitelist_external_dirs": [],
        }

    async def _welcome(self, request: web.Request) -> web.WebSocketResponse:
        session = Session(self.core, self._services, self.configuration, self.token, self._flowing)
        self._sessions.add(session)
        try:
            return await session.serve(request)
        finally:
            self._sessions.discard(session)
