"""`SimulatedHome`: a server with Home Assistant's API on a loopback port."""

import asyncio
from collections.abc import Callable
from random import Random

from aiohttp import web

from hassette_core.lifecycle import AsyncWithService
from hassette_core.simulation.home.activity import HomeActivity
from hassette_core.simulation.home.automation import GuestWifi
from hassette_core.simulation.home.core import HomeCore, Json
from hassette_core.simulation.home.entities import add_entities
from hassette_core.simulation.home.load import LoadGenerator
from hassette_core.simulation.home.rest import RestApi
from hassette_core.simulation.home.service_table import SERVICES
from hassette_core.simulation.home.services import ServiceRegistry
from hassette_core.simulation.home.websocket import ClientConnection

HOME_ASSISTANT_VERSION = "2025.4.4"
"""The contract tests compare the simulated home with a real Home Assistant of this version."""
HOST = "127.0.0.1"


class SimulatedHome(AsyncWithService):
    """A small home with Home Assistant's WebSocket and REST API, for the demo and for tests.

    It listens on 127.0.0.1 only. It is an async context manager and a service: `start` opens the port, and `serve`
    runs the activity in the home.

    Example:
        ::

            async with SimulatedHome(speed=0) as home:
                settings = {"home_assistant": {"url": home.url, "token": home.token}}
                async with Hassette(HassetteConfig.model_validate(settings), plugins=False) as hassette:
                    await hassette.wait_ready()
                    home.core.change("binary_sensor.hall_motion", "on")

    Args:
        port: The port to listen on; 0 chooses a free port.
        seed: The same seed leads to the same activity.
        speed: Simulated seconds per second. At 60, fifteen seconds show a quarter of an hour. At 0 there is no
            activity, and only `core` and requests of clients change states.
        events_per_second: Additional state changes per second. They change the ten sensors ``sensor.load_1`` …
            ``sensor.load_10`` in turn.
        token: The access token that clients must send.
        make_services: Creates the services of the home. By default these are the services of `SERVICES`.

    Attributes:
        name: ``simulated home``.
        core: The states and events of the home: ``core.states``, ``core.change(…)``, ``core.fire(…)``.
        token: The access token that clients must send.
    """

    name = "simulated home"

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 1,
        speed: float = 60.0,
        events_per_second: float = 0.0,
        token: str = "simulated-home",  # noqa: S107  it only protects a loopback port of this process
        make_services: Callable[[HomeCore], ServiceRegistry] = lambda core: ServiceRegistry(core, SERVICES),
    ) -> None:
        self.core = HomeCore(Random(f"ids {seed}"))  # noqa: S311  not used for secrets
        self.token = token
        self._port = port
        self._random = Random(f"life {seed}")  # noqa: S311
        self._speed = speed
        self._events_per_second = events_per_second
        self._state = "RUNNING"
        self._services = make_services(self.core)
        self._clients: set[ClientConnection] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self._runner: web.AppRunner | None = None
        self._stopped = False
        self._opening: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        add_entities(self.core)
        GuestWifi(self.core, self._services)

    @property
    def port(self) -> int:
        """The port. It is 0 before the start if `start` will choose a free port."""
        return self._port

    @property
    def url(self) -> str:
        """The address. If `start` chooses the port, the address is only valid after the start."""
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Open the port and answer requests.

        A start after `stop` restores all states, as Home Assistant does after a restart.

        Raises:
            OSError: The port is taken.
        """
        app = web.Application()
        app.router.add_get("/api/websocket", self._serve_client)
        app.add_routes(RestApi(self.core, self._services, self.configuration, self.token).routes())
        # `_runner` is set before the first `await`, so that `stop` can close the port of a cancelled start.
        self._runner = runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            # A task, so that the port is opened completely even if this start is cancelled. `stop` then closes it.
            self._opening = asyncio.create_task(web.TCPSite(runner, HOST, self._port).start())
            await asyncio.shield(self._opening)
        except OSError as error:
            await self.stop()
            raise OSError(
                error.errno, f"the simulated home cannot listen on {HOST}:{self._port}: the port is taken"
            ) from None
        self._port = runner.addresses[0][1]
        if self._stopped:
            self._stopped = False
            self.core.restore()

    async def serve(self) -> None:
        """Run the activity and the load until stopped."""
        self._serving = asyncio.create_task(self._run(), name=self.name)
        try:
            await asyncio.wait((self._serving,))
        finally:
            self._serving.cancel()
        if not self._serving.cancelled():
            self._serving.result()

    async def stop(self) -> None:
        """Disconnect all clients and close the port. The next `start` uses the same port."""
        if self._serving is not None:
            self._serving.cancel()
        self._awake.set()
        for client in tuple(self._clients):
            client.drop()
        if (opening := self._opening) is not None:
            await asyncio.wait((opening,))
            if not opening.cancelled():
                opening.exception()  # if nothing reads the exception after a cancelled start, asyncio logs it
        runner, self._runner = self._runner, None
        if runner is not None:
            self._stopped = True
            await runner.cleanup()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._speed > 0:
                tasks.create_task(HomeActivity(self.core, self._random, self._speed).run())
            if self._events_per_second > 0:
                tasks.create_task(LoadGenerator(self.core, self._events_per_second).run())
            await asyncio.Event().wait()

    def drop_connections(self) -> None:
        """Break the connection of every WebSocket client, as a failure of the network does."""
        for client in tuple(self._clients):
            client.abort()

    def hang(self) -> None:
        """Stop reading from WebSocket clients and sending to them, but keep their connections open.

        REST requests are still answered.
        """
        self._awake.clear()

    def wake(self) -> None:
        """Continue after `hang`. Messages that have arrived in the meantime are read now."""
        self._awake.set()

    def begin_starting(self) -> None:
        """Behave like Home Assistant during its startup: answer requests, but report that startup is not complete."""
        self._state = "NOT_RUNNING"

    def finish_starting(self) -> None:
        """Complete the startup and fire ``homeassistant_started``."""
        self._state = "RUNNING"
        self.core.fire("homeassistant_started")

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
            "version": HOME_ASSISTANT_VERSION,
            "whitelist_external_dirs": [],
        }

    async def _serve_client(self, request: web.Request) -> web.WebSocketResponse:
        client = ClientConnection(self.core, self._services, self.configuration, self.token, self._awake)
        self._clients.add(client)
        try:
            return await client.serve(request)
        finally:
            self._clients.discard(client)
