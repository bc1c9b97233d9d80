"""`Requests`: send requests through the link, and record the changes that a run makes in the home."""

import json
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from hassette_core.api.targets import TARGET_KEYS
from hassette_core.clock import TimerClock
from hassette_core.containment import is_rehearsing
from hassette_core.errors import CallFailedError, LinkError, UnexpectedAnswerError
from hassette_core.handlers import is_plain_text
from hassette_core.link import HomeAssistantLink, RestAnswer
from hassette_core.link.connection import MAX_SENT_BYTES
from hassette_core.redaction import mask_secret_values
from hassette_core.states import StateCache
from hassette_executor import ServiceCall

MAX_DATA_CHARACTERS = 2_000
"""In the record of a run, the data and the target of a service call are each cut to this length."""

_T = TypeVar("_T")


class CallOutcome(NamedTuple):
    """The result of a recorded request; see the fields of the same name of `ServiceCall`."""

    context_id: str | None = None
    error: str | None = None
    attempt: int = 1
    confirmed_us: int | None = None
    rehearsed: bool = False


class Requests:
    """Sends requests through the link, and records the changes that a run makes in the home.

    Args:
        link: The connection.
        clock: Measures the duration of calls.
        begin: Called before each service call and each other change of the home.
        record: Called with each service call and each other change of the home, even if it failed.
        redact: Masks secrets in the recorded calls.

    Attributes:
        link: The connection.
        clock: Measures the duration of calls.
        rehearsal_responses: The responses of services to an app that rehearses, by service.
    """

    def __init__(
        self,
        link: HomeAssistantLink,
        *,
        clock: TimerClock,
        begin: Callable[[], None],
        record: Callable[[ServiceCall], None],
        redact: Callable[[str], str],
    ) -> None:
        self.link = link
        self.clock = clock
        self.rehearsal_responses: dict[str, Any] = {}
        self._begin = begin
        self._record = record
        self._redact = redact

    async def command(self, action: str, command: str, /, **fields: Any) -> Any:
        """Send a WebSocket command and return its result; see `Connection.command`."""
        connection = self.link.require_connection(action)
        try:
            return await connection.command(action, command, **fields)
        except (TypeError, ValueError) as error:
            raise _named(error, fields) from None

    async def rest(
        self, action: str, method: str, path: str, body: object = None, *, missing_is_none: bool = False
    ) -> RestAnswer:
        """Send a REST request and return the answer.

        Args:
            action: The purpose of the request, for error messages.
            method: The HTTP method.
            path: The path. It starts with ``/api/``.
            body: The body, which is sent as JSON; None for no body.
            missing_is_none: True also returns an answer with the status 404.

        Raises:
            CallFailedError: Home Assistant refused the request. Its code is the HTTP status.
        """
        connection = self.link.require_connection(action)
        check_json({} if body is None else {"body": body})
        answer = await connection.rest(action, method, path, body)
        if answer.status < 300 or (answer.status == 404 and missing_is_none):
            return answer
        raise CallFailedError(action, _message(answer.body) or f"HTTP {answer.status}", str(answer.status))

    async def change(
        self,
        name: str,
        target: Mapping[str, Any],
        data: Mapping[str, Any],
        send: Callable[[], Awaitable[_T]],
        rehearsed: Callable[[], _T],
        context_id: Callable[[_T], str | None] = lambda answer: None,
    ) -> _T:
        """Send a change of the home that is not a service call, and record it as ``api.<name>``.

        Args:
            name: The name of the method of `Api`.
            target: The changed entity.
            data: The other facts.
            send: Sends the change.
            rehearsed: Returns an answer without sending the change, if the app rehearses.
            context_id: Returns the context id in the answer.
        """
        timing = self.begin()
        outcome = CallOutcome(error="cancelled before the answer")
        try:
            if is_rehearsing():
                check_json(data)
                outcome = CallOutcome(rehearsed=True)
                return rehearsed()
            answer = await send()
            outcome = CallOutcome(context_id(answer))
            return answer  # noqa: TRY300  the change is recorded in `finally`
        except (LinkError, TypeError, ValueError) as error:
            outcome = CallOutcome(error=str(error))
            raise
        finally:
            self.record(timing, "api", name, target, data, outcome)

    def begin(self) -> "Timing":
        """Return the time at which a call is sent. `record` must end the call."""
        self._begin()
        return Timing(self.clock.wall_ns() // 1_000, self.clock.monotonic_ns())

    def record(
        self,
        timing: "Timing",
        domain: str,
        service: str,
        target: Mapping[str, Any],
        data: Mapping[str, Any],
        outcome: CallOutcome,
        answered_ns: int | None = None,
    ) -> None:
        """Record a call.

        Args:
            timing: The time at which the call was sent.
            domain: The domain of the service.
            service: The name of the service.
            target: The target.
            data: The fields of the service.
            outcome: The result.
            answered_ns: The time of Home Assistant's answer, by the monotonic clock. None for now.
        """
        ended_ns = self.clock.monotonic_ns() if answered_ns is None else answered_ns
        self._record(
            ServiceCall(
                timing.at_us,
                domain,
                service,
                self._compact(target or {key: data[key] for key in TARGET_KEYS if key in data}),
                self._compact({key: value for key, value in data.items() if key not in TARGET_KEYS}),
                (ended_ns - timing.sent_ns) // 1_000,
                outcome.context_id,
                outcome.error and self._redact(outcome.error),
                outcome.attempt,
                outcome.confirmed_us,
                outcome.rehearsed,
            )
        )

    def _compact(self, data: Mapping[str, Any]) -> str:
        if not data:
            return ""
        # Data with wrong values or keys is recorded, too, because its call has failed.
        try:
            masked = mask_secret_values(data)
            text = json.dumps(masked, separators=(",", ":"), ensure_ascii=False, default=str, skipkeys=True)
        except RecursionError:  # a list or table contains itself, or the nesting is too deep
            return "…"
        text = self._redact(text)  # before the text is cut, because half of a secret would not be found
        return text if len(text) <= MAX_DATA_CHARACTERS else text[: MAX_DATA_CHARACTERS - 1] + "…"


class ApiMethods:
    """A group of methods of `Api`.

    Args:
        requests: Sends and records the requests.
        cache: The states.
    """

    def __init__(self, requests: Requests, cache: StateCache) -> None:
        self._requests = requests
        self._cache = cache


class Timing(NamedTuple):
    """The time at which a call was sent.

    Attributes:
        at_us: By the wall clock, in microseconds since the Unix epoch.
        sent_ns: By the monotonic clock, in nanoseconds.
    """

    at_us: int
    sent_ns: int


def check_json(data: Mapping[str, Any]) -> None:
    """Check that data can be sent.

    Raises:
        TypeError, ValueError: The data cannot be written as JSON, or is too large.
    """
    try:
        size = len(json.dumps(data, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError) as error:
        raise _named(error, data) from None
    if size > MAX_SENT_BYTES:
        raise ValueError(f"the message must have at most {MAX_SENT_BYTES} bytes, got {size}")


def mapping_of(option: str, value: object) -> dict[str, Any]:
    """Return a mapping as a dictionary. An empty one for None.

    Raises:
        TypeError: The value is no mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{option} must be a mapping, such as {{'name': 'value'}}, got {value!r}")
    return dict(cast("Mapping[str, Any]", value))


def _named(error: TypeError | ValueError, data: object) -> TypeError | ValueError:
    """Return an error that names the value that JSON cannot express. The same error if there is no such value."""
    problem = _json_problem(data, "", frozenset())
    return error if problem is None else (TypeError if isinstance(error, TypeError) else ValueError)(problem)


def _json_problem(value: object, path: str, around: frozenset[int]) -> str | None:
    if value is None or isinstance(value, int):
        return None
    if isinstance(value, str):
        problem = f"{path} must be a text without half of a surrogate pair, got {value!r}"
        return None if is_plain_text(value) else problem
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} must be a finite number, got {value!r}"
    if id(value) in around:
        return f"{path} must not contain itself"
    around |= {id(value)}
    if isinstance(value, dict):
        for key, each in cast("dict[Any, Any]", value).items():
            inner = f"{path}[{key!r}]" if path else str(key)
            if key is not None and not isinstance(key, str | int | float):
                return f"{path or 'the data'} must have texts as keys, got {key!r}"
            if (problem := _json_problem(each, inner, around)) is not None:
                return problem
        return None
    if isinstance(value, list | tuple):
        for index, each in enumerate(cast("Sequence[Any]", value)):
            if (problem := _json_problem(each, f"{path}[{index}]", around)) is not None:
                return problem
        return None
    advice = "write list(…)" if isinstance(value, Collection) else "write str(…) of it"
    return f"{path} must be a text, a number, True, False, None, a list or a dict, got {value!r}; {advice}"


def context_id_of(action: str, answer: Any) -> str:
    """Return the context id in an answer.

    Raises:
        UnexpectedAnswerError: The answer has none.
    """
    try:
        context_id = answer["context"]["id"]
    except (LookupError, TypeError) as error:
        raise UnexpectedAnswerError(action, repr(error)) from None
    if type(context_id) is not str:
        raise UnexpectedAnswerError(action, f"context.id must be a string, got {context_id!r}")
    return context_id


def _message(body: Any) -> str | None:
    message = body.get("message") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  JSON
    return message if isinstance(message, str) else None  # pyright: ignore[reportUnknownVariableType]  JSON
