"""What an app asks of Home Assistant."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from hassette_core.errors import CallFailedError, LinkError, UnexpectedAnswerError
from hassette_core.events import State
from hassette_core.link import HomeAssistantLink, RestAnswer
from hassette_core.link.link import parse_states
from hassette_core.secrets import without_secrets
from hassette_executor import ServiceCall, record_service_call

Target = str | Iterable[str] | Mapping[str, Any]
"""One entity id, several, or Home Assistant's own form: ``{"area_id": "hall"}``."""

MAX_DATA_CHARACTERS = 2_000
"""Kept of a call's data, and of its target, in its record."""


class ServiceResult(NamedTuple):
    """What a service call brought.

    Attributes:
        context_id: Home Assistant's context id: events that it causes carry it, as their own or as their parent's.
        response: What the service answered, if it was asked to with ``return_response=True``; else None.
    """

    context_id: str
    response: Any = None


class Api:
    """Home Assistant's API, as an app uses it. One serves all apps.

    Every method raises `NotConnectedError` without a connection, `CallFailedError` when Home Assistant says no, and
    `TypeError` or `ValueError` for data that JSON cannot hold, such as a NaN, or of more than 4 MB.

    Args:
        link: The connection.
        monotonic_ns: Measures how long calls take.
        time_ns: Wall clock, nanoseconds since the Unix epoch.
    """

    def __init__(
        self,
        link: HomeAssistantLink,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._link = link
        self._monotonic_ns = monotonic_ns
        self._time_ns = time_ns

    async def call_service(
        self,
        domain: str,
        service: str,
        *,
        target: Target | None = None,
        return_response: bool = False,
        **data: Any,
    ) -> ServiceResult:
        """Call a service (an action) and wait until Home Assistant has carried it out.

        The call is kept with the run that makes it, also when it fails; data that sounds secret is not.

        Args:
            domain: Such as ``light``.
            service: Such as ``turn_on``.
            target: What to act on.
            return_response: Ask for an answer, of a service that has one.
            data: The service's own parameters, such as ``brightness=120``.

        Raises:
            CallFailedError: Home Assistant refused: no such service, data that it cannot use, a device that fails.
            NotConnectedError: No connection, or it was lost before the answer.
        """
        action = f"call {domain}.{service}"
        message: dict[str, Any] = {"domain": domain, "service": service}
        if data:
            message["service_data"] = data
        if target is not None:
            message["target"] = _as_target(target)
        if return_response:
            message["return_response"] = True
        at_us, began_ns = self._time_ns() // 1_000, self._monotonic_ns()
        result: ServiceResult | None = None
        problem: str | None = "cancelled before the answer"
        try:
            answer = await self._link.require_connection(action).command(action, "call_service", **message)
            result = ServiceResult(_context_id(action, answer), answer.get("response"))
            problem = None
        except LinkError as error:
            problem = str(error)
            raise
        except (TypeError, ValueError) as error:
            problem = f"cannot {action}: {error}"  # data that cannot be written as JSON
            raise
        finally:
            record_service_call(
                ServiceCall(
                    at_us,
                    domain,
                    service,
                    _compact(message.get("target") or {key: data[key] for key in _TARGET_KEYS if key in data}),
                    _compact({key: value for key, value in data.items() if key not in _TARGET_KEYS}),
                    (self._monotonic_ns() - began_ns) // 1_000,
                    result.context_id if result else None,
                    problem,
                )
            )
        assert result is not None
        return result

    async def get_states(self) -> list[State]:
        """Fetch all states anew. `States` has them already; this asks Home Assistant."""
        action = "fetch the states"
        return parse_states(await self._link.require_connection(action).command(action, "get_states"))

    async def get_state(self, entity_id: str) -> State | None:
        """Fetch one state anew; None if there is no such entity."""
        action = f"fetch the state of {entity_id}"
        answer = await self._rest(action, "GET", f"/api/states/{quote(entity_id, safe='')}", missing_is_none=True)
        return None if answer.status == 404 else parse_states([answer.body])[0]

    async def set_state(self, entity_id: str, state: str | float, attributes: Mapping[str, Any] | None = None) -> State:
        """Write a state into Home Assistant, making the entity if it is new.

        It changes what Home Assistant says, not the device: to switch a light, call its service.

        Args:
            entity_id: Such as ``sensor.my_value``.
            state: At most 255 characters.
            attributes: Replaces all attributes; None leaves none.
        """
        action = f"set the state of {entity_id}"
        body = {"state": str(state), "attributes": dict(attributes or {})}
        answer = await self._rest(action, "POST", f"/api/states/{quote(entity_id, safe='')}", body)
        return parse_states([answer.body])[0]

    async def remove_state(self, entity_id: str) -> bool:
        """Remove a state that `set_state` made; False if there was none."""
        action = f"remove the state of {entity_id}"
        path = f"/api/states/{quote(entity_id, safe='')}"
        return (await self._rest(action, "DELETE", path, missing_is_none=True)).status != 404

    async def fire_event(self, event_type: str, data: Mapping[str, Any] | None = None) -> str:
        """Fire an event and return its context id.

        Args:
            event_type: Such as ``my_app_decided``.
            data: What it carries.
        """
        action = f"fire {event_type}"
        connection = self._link.require_connection(action)
        answer = await connection.command(action, "fire_event", event_type=event_type, event_data=dict(data or {}))
        return _context_id(action, answer)

    async def _rest(
        self, action: str, method: str, path: str, body: object = None, *, missing_is_none: bool = False
    ) -> RestAnswer:
        answer = await self._link.require_connection(action).rest(action, method, path, body)
        if answer.status < 300 or (answer.status == 404 and missing_is_none):
            return answer
        raise CallFailedError(action, _message(answer.body) or f"HTTP {answer.status}")


_TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")


def _as_target(target: Target) -> dict[str, Any]:
    if isinstance(target, str):
        return {"entity_id": target}
    if isinstance(target, Mapping):
        return dict(cast("Mapping[str, Any]", target))
    return {"entity_id": list(target)}


def _message(body: Any) -> str | None:
    return body.get("message") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  JSON


def _context_id(action: str, answer: Any) -> str:
    try:
        return answer["context"]["id"]
    except (LookupError, TypeError) as error:
        raise UnexpectedAnswerError(action, repr(error)) from None


def _compact(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    text = json.dumps(without_secrets(data), separators=(",", ":"), ensure_ascii=False, default=str)
    return text if len(text) <= MAX_DATA_CHARACTERS else text[: MAX_DATA_CHARACTERS - 1] + "…"
