"""One WebSocket connection to Home Assistant, from opening to loss, with REST over the same session."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from aiohttp import ClientError, ClientSession, ClientTimeout
from hass_client import HomeAssistantClient  # pyright: ignore[reportMissingTypeStubs]  typed, but says so nowhere
from hass_client.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    AuthenticationFailed,
    BaseHassClientError,
    FailedCommand,
    NotConnected,
)

from hassette_core.errors import (
    AuthenticationError,
    CallFailedError,
    LinkError,
    NoAnswerError,
    NotConnectedError,
)
from hassette_core.link.address import Address

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Of one message; the largest is the answer to ``get_states``, about 1 kB an entity."""
MAX_SENT_BYTES = 4_000_000
"""Of one command. Home Assistant hangs up at 4 MiB (aiohttp's limit, which it leaves as it is)."""
OPEN_TIMEOUT_S = 15.0
REST_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 1.0

# What hass-client lets through when a server hangs up, or is none of Home Assistant's, in the middle of a handshake.
_HANDSHAKE_ERRORS = (BaseHassClientError, ClientError, OSError, TypeError, ValueError, LookupError)


class RestAnswer(NamedTuple):
    """An answer over REST.

    Attributes:
        status: The HTTP status.
        body: The JSON body; None if it is not JSON.
    """

    status: int
    body: Any


class Connection:
    """One connection. It is opened once and closed once; a new connection is a new object.

    It wraps hass-client so that nothing of its temper reaches an app: a command whose connection is lost ends with
    `NotConnectedError` rather than with a cancellation, and a caller who is cancelled leaves hass-client's futures
    alone (it would stop listening over a result for a future that is done).

    Args:
        address: Where Home Assistant is.
        token: A long-lived access token.
        max_message_bytes: Largest message taken.
    """

    def __init__(self, address: Address, token: str, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._address = address
        self._token = token
        # A session per connection: closing it drops every socket at once, also that of a peer which hangs.
        self._session = ClientSession()
        self._client = HomeAssistantClient(address.websocket_url, token, self._session, max_message_bytes)
        self._listening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        """Connect and authenticate.

        Raises:
            AuthenticationError: The token was refused.
            LinkError: Anything else; trying again later may help.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._client.connect()
        except AuthenticationFailed:
            await self.close()
            raise AuthenticationError(self._address.url) from None
        except TimeoutError:
            await self.close()
            raise NoAnswerError(f"connect to {self._address.url}", OPEN_TIMEOUT_S) from None
        except _HANDSHAKE_ERRORS as error:
            # `from None`: aiohttp's exceptions hold the request with its headers.
            await self.close()
            raise LinkError(f"cannot connect to {self._address.url}: {_first_line(error)}") from None
        except BaseException:
            await self.close()
            raise
        self._listening = asyncio.create_task(self._client.start_listening(), name="home assistant reader")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        return self._listening is not None and not self._listening.done() and self._client.connected

    async def until_lost(self) -> str:
        """Return, with a sentence about it, when the connection is lost."""
        assert self._listening is not None
        await asyncio.wait((self._listening,))
        if self._listening.cancelled() or (error := self._listening.exception()) is None:
            return "Home Assistant closed the connection"
        return _first_line(error)

    async def close(self) -> None:
        """Say goodbye, but not for long, and let go of everything."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.disconnect()
        except (TimeoutError, ClientError, OSError):
            pass
        finally:
            await self._session.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,))
            if not self._listening.cancelled():
                self._listening.exception()  # it has been told by until_lost

    async def command(self, action: str, command: str, **fields: Any) -> Any:
        """Send a command and return the ``result`` of its answer.

        A caller who is cancelled stops waiting; the command has been sent all the same.

        Args:
            action: What is being done, for the errors' texts.
            command: The ``type`` of the message.
            fields: The rest of the message.

        Raises:
            CallFailedError: Home Assistant answered: no.
            NotConnectedError: There is no connection, or it was lost before the answer.
            TypeError, ValueError: A field cannot be written as JSON, or is larger than Home Assistant takes.
        """
        if not self.open:
            raise NotConnectedError(action)
        # Home Assistant hangs up on who sends it a NaN or half a character, which Python writes without a word, or a
        # picture: one app's mistake would cost all apps the connection, and the events until it is back.
        size = len(json.dumps(fields, allow_nan=False, ensure_ascii=False).encode())
        if size > MAX_SENT_BYTES:
            raise ValueError(f"{size} bytes are more than Home Assistant takes at once, which is {MAX_SENT_BYTES}")
        sending = self._keep(self._client.send_command(command, **fields))
        await asyncio.wait((sending,))
        return _outcome(sending, action)

    async def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> None:
        """Have every event of Home Assistant passed on, as the message in which it came.

        Raises:
            LinkError: As `command`.
        """
        action = "subscribe to events"
        # Not hass-client's subscribe_events: it takes two turns of the loop for each event.
        subscribing = self._keep(self._client.subscribe(cast("Callable[[Any], None]", receive), "subscribe_events"))
        await asyncio.wait((subscribing,))
        _outcome(subscribing, action)

    async def ping(self) -> None:
        """Ask Home Assistant for a sign of life and return once it has come.

        Raises:
            NotConnectedError: The connection is lost.
        """
        action = "ping Home Assistant"
        if not self.open:
            raise NotConnectedError(action)
        answered = asyncio.Event()

        def hear(_message: Any) -> None:
            answered.set()

        # A pong is no result, so hass-client's send_command would wait for ever. But it carries the ping's id, as
        # an event carries its subscription's: a ping is a subscription that ends with its first message.
        pinging = self._keep(self._client.subscribe(hear, "ping"))
        hearing = self._keep(answered.wait())
        try:
            await asyncio.wait((pinging, hearing), return_when=asyncio.FIRST_COMPLETED)
            if pinging.done():
                with suppress(CallFailedError):  # who refuses is there
                    _outcome(pinging, action)
        finally:
            pinging.cancel()
            hearing.cancel()

    async def rest(self, action: str, method: str, path: str, body: object = None) -> RestAnswer:
        """Send a request to the REST API.

        Args:
            action: What is being done, for the errors' texts.
            method: ``GET``, ``POST``, ``DELETE``.
            path: Beginning with ``/api/``.
            body: Sent as JSON, unless it is None.

        Raises:
            NotConnectedError: The connection is lost.
            NoAnswerError: No answer within 30 s.
        """
        if not self.open:
            raise NotConnectedError(action)
        try:
            # The header goes with each request, not with the session: it would be repeated in aiohttp's exceptions.
            async with self._session.request(
                method,
                self._address.url + path,
                json=body,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=ClientTimeout(total=REST_TIMEOUT_S),
                allow_redirects=False,
            ) as response:
                text = await response.text()
        except TimeoutError:
            raise NoAnswerError(action, REST_TIMEOUT_S) from None
        except (ClientError, OSError, RuntimeError):  # RuntimeError: the session was closed
            raise NotConnectedError(action, sent=True) from None
        try:
            return RestAnswer(response.status, json.loads(text))
        except ValueError:
            return RestAnswer(response.status, None)

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has read it; if nobody did any more, nobody wants to


def _outcome(sending: asyncio.Task[Any], action: str) -> Any:
    """Return what a command that is done has brought, in our own errors."""
    if sending.cancelled():  # hass-client cancels what waits when the connection goes
        raise NotConnectedError(action, sent=True)
    try:
        return sending.result()
    except FailedCommand as error:
        raise CallFailedError(action, str(error)) from None
    except NotConnected:
        raise NotConnectedError(action) from None
    except (ClientError, OSError):
        raise NotConnectedError(action, sent=True) from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return text or type(error).__name__


def quieten_hass_client() -> None:
    """Keep hass-client from logging whole messages at DEBUG.

    It formats each with `pprint`, a millisecond and more an event; and service data may hold a lock's code.
    """
    library = logging.getLogger("hass_client")
    if library.getEffectiveLevel() < logging.INFO:
        library.setLevel(logging.INFO)
