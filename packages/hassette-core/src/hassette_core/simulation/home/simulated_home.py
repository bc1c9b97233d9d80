"""`SimulatedHome`: a home with Home Assistant's API, on a loopback port or in memory."""

import asyncio
from collections.abc import Callable, Iterable
from random import Random

from hassette_core.clock import TimerClock
from hassette_core.lifecycle import AsyncWithService
from hassette_core.simulation.home.activity import GuestWifi, HomeActivity, LoadGenerator
from hassette_core.simulation.home.api import ClientConnection, ClientSocket, RestApi, RestRequest, RestResponse
from hassette_core.simulation.home.contents import HomeContents
from hassette_core.simulation.home.core import DEFAULT_VERSION, HomeCore
from hassette_core.simulation.home.entities import add_entities, add_rooms
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.server import HOST, HomeServer
from hassette_core.simulation.home.services import ServiceRegistry
from hassette_core.simulation.home.services.table import SERVICES


class SimulatedHome(HomeContents, AsyncWithService):
    """A home with Home Assistant's WebSocket and REST API, for the demo, for tests, and for rehearsals.

    It listens on 127.0.0.1 only. It is an async context manager and a service: `start` opens the port, and `serve`
    runs the activity in the home. A client in the same process needs neither: `serve_client` and `answer`.

    Example:
        ::

            async with SimulatedHome(speed=0) as home:
                settings = {"home_assistant": {"url": home.url, "token": home.token}}
                async with Hassette(HassetteConfig.model_validate(settings), plugins=False) as hassette:
                    await hassette.wait_ready()
                    home.core.change("binary_sensor.hall_motion", "on")

    Args:
        port: The port to listen on. 0 chooses a free port. None opens no port: clients use a `MemoryTransport`.
        seed: The same seed leads to the same activity.
        speed: Simulated seconds per second. At 60, fifteen seconds show a quarter of an hour. At 0 there is no
            activity, and only `core` and requests of clients change states.
        events_per_second: Additional state changes per second. They change the ten sensors ``sensor.load_1`` …
            ``sensor.load_10`` in turn.
        token: The access token that clients must send.
        clock: The source of all times, timers and ids of the home. None uses the machine's clock.
        version: The version of Home Assistant that the home behaves like, ``2025.4.4`` or ``2026.11.0``.
        empty: Whether the home begins without entities and areas.
        make_services: Creates the services of the home. By default these are the services of `SERVICES`.

    Attributes:
        name: ``simulated home``.
        core: The states and events of the home: ``core.states``, ``core.change(…)``, ``core.fire(…)``.
        model: Everything else behind the APIs but the services.
        services: The services of the home.
        token: The access token that clients must send.
        hanging: Set from `hang` to `wake`.
    """

    name = "simulated home"

    def __init__(
        self,
        *,
        port: int | None = 0,
        seed: int = 1,
        speed: float = 60.0,
        events_per_second: float = 0.0,
        token: str = "simulated-home",  # noqa: S107  it only protects a loopback port of this process
        clock: TimerClock | None = None,
        version: str = DEFAULT_VERSION,
        empty: bool = False,
        make_services: Callable[[HomeModel], ServiceRegistry] = lambda model: ServiceRegistry(model, SERVICES),
    ) -> None:
        core = HomeCore(Random(f"ids {seed}"), clock)  # noqa: S311  not used for secrets
        core.set_version(version)
        model = HomeModel(core, token)
        super().__init__(make_services(model))
        self.token = token
        self._port = port
        self._random = Random(f"life {seed}")  # noqa: S311
        self._speed = speed
        self._events_per_second = events_per_second
        model.restart = self._restart_in_task
        self._clients: set[ClientConnection] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self.hanging = asyncio.Event()
        self._rest = RestApi(self.services)
        self._server = HomeServer(self.serve_client, self.answer)
        self._running = False
        self._stopped = False
        self._serving: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None
        if not empty:
            add_entities(self.core)
            add_rooms(self.model.registries)
            GuestWifi(self.core, self.services)

    @property
    def running(self) -> bool:
        """Whether clients can connect. This is the case from `start` to `stop`."""
        return self._running

    @property
    def port(self) -> int:
        """The port. It is 0 before the start if `start` will choose a free port, and if there is no port."""
        return self._port or 0

    @property
    def url(self) -> str:
        """The address. If `start` chooses the port, the address is only valid after the start."""
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Open the port and answer requests.

        A start after `stop` restores all states, as Home Assistant does after a restart.

        Raises:
            OSError: The port is taken.
        """
        await self._come_up()

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
        if self._restarting is not None and self._restarting is not asyncio.current_task():
            self._restarting.cancel()
        await self._go_down()

    async def _come_up(self) -> None:
        if self._port is not None:
            self._port = await self._server.open(self._port)
        self._running = True
        if self._stopped:
            self._stopped = False
            self.core.restore()

    async def _go_down(self) -> None:
        self.wake()
        for client in tuple(self._clients):
            client.drop()
        await self._server.close()
        self._stopped = self._stopped or self._running
        self._running = False

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._speed > 0:
                tasks.create_task(HomeActivity(self.core, self._random, self._speed).run())
            if self._events_per_second > 0:
                tasks.create_task(LoadGenerator(self.core, self._events_per_second).run())
            await asyncio.Event().wait()

    async def restart(
        self, *, down_s: float = 5.0, startup_s: float = 1.0, late: Iterable[str] = (), late_s: float = 10.0
    ) -> None:
        """Restart as Home Assistant does. The times are those of the home's clock.

        Fire ``homeassistant_stop`` and disconnect all clients. After ``down_s``, accept clients again, but report
        that the startup is not complete. After ``startup_s``, fire ``homeassistant_started``.

        Args:
            down_s: Seconds without Home Assistant.
            startup_s: Seconds of the startup.
            late: Entities that are unavailable until ``late_s`` seconds after the startup.
            late_s: Seconds from the end of the startup to the return of the late entities.
        """
        self.core.fire("homeassistant_stop")
        for _ in range(5):  # a client that reads receives the event before the connection ends
            await asyncio.sleep(0)
        self.core.fire("homeassistant_final_write")
        await self._go_down()
        await self.core.sleep(down_s)
        self.begin_starting()
        await self._come_up()
        late = tuple(late)
        for entity_id in late:
            self.failures.unavailable(entity_id)
        await self.core.sleep(startup_s)
        self.model.state = "STARTING"
        self.core.fire("homeassistant_start")
        self.finish_starting()
        if late:
            self.core.clock.call_later(late_s, lambda: self.failures.available(*late))

    def _restart_in_task(self) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.get_running_loop().create_task(self.restart())

    def drop_connections(self) -> None:
        """Break the connection of every WebSocket client, as a failure of the network does."""
        for client in tuple(self._clients):
            client.abort()

    def cut_clients(self) -> None:
        """Disconnect every WebSocket client as if it read too slowly: discard its waiting messages."""
        for client in tuple(self._clients):
            client.drop()

    def hang(self) -> None:
        """Stop reading from WebSocket clients and sending to them, but keep their connections open.

        REST requests are still answered.
        """
        self._awake.clear()
        self.hanging.set()

    def wake(self) -> None:
        """Continue after `hang`. Messages that have arrived in the meantime are read now."""
        self._awake.set()
        self.hanging.clear()

    def begin_starting(self) -> None:
        """Behave like Home Assistant during its startup: answer requests, but report that startup is not complete."""
        self.model.state = "NOT_RUNNING"

    def finish_starting(self) -> None:
        """Complete the startup and fire ``homeassistant_started``."""
        self.model.state = "RUNNING"
        self.core.fire("homeassistant_started")

    async def serve_client(self, socket: ClientSocket) -> None:
        """Serve a WebSocket client until its connection ends. The port need not be open.

        Args:
            socket: The client's socket, or a queue in memory in its place.
        """
        client = ClientConnection(self.services, socket, self._awake)
        self._clients.add(client)
        try:
            await client.serve()
        finally:
            self._clients.discard(client)

    async def answer(self, request: RestRequest) -> RestResponse:
        """Answer a REST request. The port need not be open."""
        return await self._rest.answer(request)
