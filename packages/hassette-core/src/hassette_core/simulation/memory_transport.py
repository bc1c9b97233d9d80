"""`MemoryTransport`: reach the simulated home in the same event loop, without a socket."""

import asyncio
from collections import deque
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from hassette_core.errors import UnreachableError
from hassette_core.link import ConnectionEnd, HttpAnswer
from hassette_core.link.reads import check_request, check_text
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.api import RestRequest

UNREAD = 256
"""Maximum number of unread texts in each direction. Then the sender waits, as if the buffers of a socket were full."""
CLOSE_TIMEOUT_S = 1.0


class MemoryTransport:
    """A `Transport` to a simulated home. The same texts travel as over a socket, but no port is open.

    Example:
        ::

            home = SimulatedHome(port=None, speed=0)
            hassette = Hassette(config, plugins=False, transport=MemoryTransport(home))

    Args:
        home: The simulated home. It must run in the same event loop.

    Attributes:
        reachable: Whether a channel can be opened. A test sets False to simulate a failure of the network.
    """

    def __init__(self, home: SimulatedHome) -> None:
        self._home = home
        self.reachable = True

    @property
    def in_process(self) -> bool:
        """True: the home runs in this event loop; see `Transport.in_process`."""
        return True

    async def pause(self, seconds: float) -> None:
        """Wait; see `Transport.pause`. While the home does not hang, no check is needed.

        In a test that lets a month pass in seconds, the checks would take longer than the test.
        """
        await self._home.hanging.wait()
        await asyncio.sleep(seconds)

    async def open(self) -> "MemoryChannel":
        """Open a channel.

        Raises:
            UnreachableError: The home is stopped, or not reachable.
        """
        if not self._home.running or not self.reachable:
            raise UnreachableError("the simulated home", "it is stopped or unreachable")
        return MemoryChannel(self._home)


class MemoryChannel:
    """A `Channel` to a simulated home. `MemoryTransport.open` creates it.

    Args:
        home: The simulated home.
    """

    def __init__(self, home: SimulatedHome) -> None:
        self._home = home
        self._end: ConnectionEnd | None = None
        self._from_home, self._to_home = _Texts(), _Texts()
        socket = _HomeSocket(self, self._from_home, self._to_home)
        self._serving = asyncio.create_task(home.serve_client(socket), name="client of the simulated home")
        self._serving.add_done_callback(lambda _: self.end(ConnectionEnd("the connection to Home Assistant broke")))

    @property
    def closed(self) -> bool:
        """Whether no text can be sent any more."""
        return self._end is not None

    async def send(self, text: str) -> None:
        """Send one text; see `Channel.send`."""
        check_text(text)
        await self._to_home.put(text)

    async def receive(self) -> str | ConnectionEnd:
        """Return the next text, or the end of the connection; see `Channel.receive`."""
        text = await self._from_home.get()
        if text is not None:
            return text
        assert self._end is not None  # `end` sets it before it ends the texts
        return self._end

    async def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HttpAnswer:
        """Send a request to the REST API; see `Channel.request`."""
        check_request(method, path)
        if self._end is not None:
            raise ConnectionResetError(self._end.cause)
        path, _, query = path.partition("?")
        asked = RestRequest(
            method=method,
            path=unquote(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            authorization=headers.get("Authorization", ""),
            body=body or "",
        )
        answer = await self._home.answer(asked)
        return HttpAnswer(answer.status, answer.text)

    async def close(self) -> None:
        """Close the connection. The home has at most `CLOSE_TIMEOUT_S` to end its side."""
        self.end(ConnectionEnd("the connection was closed"))
        await asyncio.wait({self._serving}, timeout=CLOSE_TIMEOUT_S)
        self._serving.cancel()

    def end(self, end: ConnectionEnd) -> None:
        """End the connection. After an orderly end by the home, the client can still read the last texts."""
        if self._end is None:
            self._end = end
            self._to_home.end(keep=False)
            self._from_home.end(keep=end.closed_by_home)


class _HomeSocket:
    """The home's side of a channel: a `ClientSocket`."""

    def __init__(self, channel: MemoryChannel, to_client: "_Texts", from_client: "_Texts") -> None:
        self._channel = channel
        self._to_client = to_client
        self._from_client = from_client

    async def receive(self) -> str | None:
        return await self._from_client.get()

    async def send(self, text: str) -> None:
        await self._to_client.put(text)

    async def close(self) -> None:
        self._channel.end(ConnectionEnd("Home Assistant closed the connection", closed_by_home=True))

    def abort(self) -> None:
        self._channel.end(ConnectionEnd("the connection to Home Assistant broke"))


class _Texts:
    """The texts on their way in one direction."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self._ended = False
        self._reader: asyncio.Future[None] | None = None
        self._writers: deque[asyncio.Future[None]] = deque()

    async def put(self, text: str) -> None:
        """Add a text. Wait while `UNREAD` texts wait.

        Raises:
            ConnectionError: The connection has ended.
        """
        while len(self._texts) >= UNREAD and not self._ended:
            waiting = asyncio.get_running_loop().create_future()
            self._writers.append(waiting)
            await waiting
        if self._ended:
            raise ConnectionResetError("the connection has ended")
        self._texts.append(text)
        _wake(self._reader)

    async def get(self) -> str | None:
        """Return the next text. None if the connection has ended and no text is left."""
        while not self._texts:
            if self._ended:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if self._writers:
            _wake(self._writers.popleft())
        return self._texts.popleft()

    def end(self, *, keep: bool) -> None:
        """Refuse further texts.

        Args:
            keep: Whether the texts that wait can still be read.
        """
        self._ended = True
        if not keep:
            self._texts.clear()
        _wake(self._reader)
        while self._writers:
            _wake(self._writers.popleft())


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
