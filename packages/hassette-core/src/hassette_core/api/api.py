"""`Api`: Home Assistant's API for apps, with service calls, states and events."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from hassette_core.errors import CallFailedError, LinkError, UnexpectedAnswerError
from hassette_core.events import State
from hassette_core.link import HomeAssistantLink, RestAnswer
from hassette_core.link.answers import parse_one_state, parse_states
from hassette_core.redaction import mask_secret_values
from hassette_executor import ServiceCall, record_service_call

Target = str | Iterable[str] | Mapping[str, Any]
"""One entity id, several entity ids, or Home Assistant's form, for example ``{"area_id": "hall"}``."""

MAX_DATA_CHARACTERS = 2_000
"""In the record of a run, the data and the target of a service call are each cut to this length."""


class ServiceResult(NamedTuple):
    """The result of a service call.

    Attributes:
        context_id: The id of the call's context. When the call causes an event, the event's context has this id, or is
            a child of the context with this id.
        response: The response of the service if the call has ``return_response=True``, else None.
    """

    context_id: str
    response: Any = None


class Api:
    """Home Assistant's API. Apps use it as `App.api`, and all apps share one object.

    The methods can raise:

    - `NotConnectedError`: there is no connection, or the connection was lost before the answer. If the connection was
      lost, the attribute `sent` of the error is True, and Home Assistant may have carried out the request.
    - `CallFailedError`: Home Assistant refused the request. Its `reason` is Home Assistant's message.
    - `NoAnswerError`: Home Assistant did not answer a request for one state (`get_state`, `set_state`, `remove_state`)
      within 30 s.
    - `UnexpectedAnswerError`: the answer has an unknown shape.
    - `TypeError` or `ValueError`: the data cannot be written as JSON. Service calls and events must not contain a NaN
      and must not be larger than 4 MB.

    An app rarely needs to catch these errors. If an app does not catch an error, the run fails and is recorded, and the
    next event is handled as usual.

    Args:
        link: The connection.
        record: Called with each service call, even if the call failed. The default adds the service call to the record
            of the run that makes it.
        monotonic_ns: Monotonic clock that measures the duration of calls, in nanoseconds.
        time_ns: Wall clock, in nanoseconds since the Unix epoch.
        redact: Masks secrets in the recorded service calls.
    """

    def __init__(
        self,
        link: HomeAssistantLink,
        *,
        record: Callable[[ServiceCall], None] = record_service_call,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._link = link
        self._record = record
        self._monotonic_ns = monotonic_ns
        self._time_ns = time_ns
        self._redact = redact

    async def call_service(
        self,
        domain: str,
        service: str,
        /,
        *,
        target: Target | None = None,
        data: Mapping[str, Any] | None = None,
        return_response: bool = False,
        **fields: Any,
    ) -> ServiceResult:
        """Call a service (an action) and wait until Home Assistant has carried it out.

        Pass the fields of the service as keywords, in ``data``, or in both. A field named ``target``, ``data`` or
        ``return_response`` can only be passed in ``data``, because these keywords have another meaning here.

        The call is added to the record of the run that makes it, even if the call fails. Values of fields whose names
        look like a secret, for example ``code``, are sent but not recorded.

        Example:
            ::

                await self.api.call_service("light", "turn_on", target="light.hall", brightness=120)
                await self.api.call_service("notify", "phone", message="Door open", data={"target": ["alex"]})
                await self.api.call_service("logbook", "log", name="Hall", message="is open", domain="light")

        Args:
            domain: For example ``light``.
            service: For example ``turn_on``.
            target: The entities, devices or areas to act on.
            data: Fields of the service, by name.
            return_response: True requests a response. Only some services have one, and some require this option.
            fields: Fields of the service, for example ``brightness=120``.

        Returns:
            The id of the call's context, and the response if one was requested.

        Raises:
            CallFailedError: Home Assistant refused the call: the service does not exist, a field is wrong, or a device
                failed.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError, ValueError: A field is passed twice, a value cannot be written as JSON, or the call is too large.
        """
        given = _merge_fields(f"call {domain}.{service}", data, fields)
        message: dict[str, Any] = {"domain": domain, "service": service}
        if given:
            message["service_data"] = given
        if target is not None:
            message["target"] = _as_target(target)
        if return_response:
            message["return_response"] = True
        at_us, began_ns = self._time_ns() // 1_000, self._monotonic_ns()
        result: ServiceResult | None = None
        problem: str | None = "cancelled before the answer"
        try:
            result = await self._send_call(f"call {domain}.{service}", message)
            problem = None
            return result  # noqa: TRY300  the call is recorded in `finally`
        except LinkError as error:
            problem = str(error)
            raise
        except (TypeError, ValueError) as error:
            problem = f"cannot call {domain}.{service}: {error}"
            raise
        finally:
            duration_us = (self._monotonic_ns() - began_ns) // 1_000
            self._record_call(message, at_us, duration_us, result.context_id if result else None, problem)

    async def _send_call(self, action: str, message: Mapping[str, Any]) -> ServiceResult:
        answer = await self._link.require_connection(action).command(action, "call_service", **message)
        return ServiceResult(_context_id(action, answer), answer.get("response"))

    def _record_call(
        self, message: Mapping[str, Any], at_us: int, duration_us: int, context_id: str | None, problem: str | None
    ) -> None:
        fields: Mapping[str, Any] = message.get("service_data", {})
        target = message.get("target") or {key: fields[key] for key in _TARGET_KEYS if key in fields}
        data = {key: value for key, value in fields.items() if key not in _TARGET_KEYS}
        self._record(
            ServiceCall(
                at_us,
                message["domain"],
                message["service"],
                self._compact(target),
                self._compact(data),
                duration_us,
                context_id,
                problem and self._redact(problem),
            )
        )

    def _compact(self, data: Mapping[str, Any]) -> str:
        if not data:
            return ""
        text = json.dumps(mask_secret_values(data), separators=(",", ":"), ensure_ascii=False, default=str)
        text = self._redact(text)  # before the text is cut, because half of a secret would not be found
        return text if len(text) <= MAX_DATA_CHARACTERS else text[: MAX_DATA_CHARACTERS - 1] + "…"

    async def get_states(self) -> list[State]:
        """Fetch all states from Home Assistant. `App.states` provides the same states without a request.

        Returns:
            One state for each entity. A malformed state is logged and left out.

        Raises:
            CallFailedError: Home Assistant refused the request.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
        """
        action = "fetch the states"
        return parse_states(await self._link.require_connection(action).command(action, "get_states")).states

    async def get_state(self, entity_id: str) -> State | None:
        """Fetch one state from Home Assistant. `App.states` provides the same state without a request.

        Args:
            entity_id: For example ``light.hall``.

        Returns:
            The state; None if there is no such entity.

        Raises:
            CallFailedError: Home Assistant refused the request.
            NoAnswerError: Home Assistant did not answer within 30 s.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
        """
        action = f"fetch the state of {entity_id}"
        answer = await self._rest(action, "GET", f"/api/states/{quote(entity_id, safe='')}", missing_is_none=True)
        return None if answer.status == 404 else parse_one_state(action, answer.body)

    async def set_state(self, entity_id: str, state: str | float, attributes: Mapping[str, Any] | None = None) -> State:
        """Write a state into Home Assistant, and create the entity if it does not exist.

        This changes the state that Home Assistant shows, but not the device. To switch a light, call a service.

        Example:
            ::

                await self.api.set_state("sensor.rain_today", 4.2, {"unit_of_measurement": "mm"})

        Args:
            entity_id: For example ``sensor.rain_today``.
            state: The new state. As a string, it has at most 255 characters.
            attributes: The new attributes, which replace all attributes of the entity. None removes all attributes.

        Returns:
            The state as Home Assistant stored it.

        Raises:
            CallFailedError: Home Assistant refused the state: the entity id is not valid, or the state is too long.
            NoAnswerError: Home Assistant did not answer within 30 s. It may still write the state.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError: An attribute cannot be written as JSON.
        """
        action = f"set the state of {entity_id}"
        body = {"state": str(state), "attributes": dict(attributes or {})}
        answer = await self._rest(action, "POST", f"/api/states/{quote(entity_id, safe='')}", body)
        return parse_one_state(action, answer.body)

    async def remove_state(self, entity_id: str) -> bool:
        """Remove a state that `set_state` created. The entity of an integration reappears with its next state change.

        Args:
            entity_id: For example ``sensor.rain_today``.

        Returns:
            False if there was no such state.

        Raises:
            CallFailedError: Home Assistant refused the request.
            NoAnswerError: Home Assistant did not answer within 30 s. It may still remove the state.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
        """
        action = f"remove the state of {entity_id}"
        path = f"/api/states/{quote(entity_id, safe='')}"
        return (await self._rest(action, "DELETE", path, missing_is_none=True)).status != 404

    async def fire_event(self, event_type: str, data: Mapping[str, Any] | None = None) -> str:
        """Fire an event in Home Assistant, for automations and other apps.

        Example:
            ::

                await self.api.fire_event("my_app_decided", {"heating": "off"})

        Args:
            event_type: For example ``my_app_decided``.
            data: The event's data, up to 4 MB of JSON. None sends an empty object.

        Returns:
            The id of the event's context. `Event.context` of the fired event has the same id.

        Raises:
            CallFailedError: Home Assistant refused the event.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError, ValueError: The data cannot be written as JSON, or is too large.
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


def _merge_fields(action: str, data: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    given = {} if data is None else dict(data)
    if twice := sorted(given.keys() & fields.keys()):
        raise TypeError(f"cannot {action}: {', '.join(twice)} must be given in data or as a keyword, got both")
    return {**given, **fields}


def _as_target(target: Target) -> dict[str, Any]:
    if isinstance(target, str):
        return {"entity_id": target}
    if isinstance(target, Mapping):
        return dict(cast("Mapping[str, Any]", target))
    return {"entity_id": list(target)}


def _message(body: Any) -> str | None:
    message = body.get("message") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  JSON
    return message if isinstance(message, str) else None  # pyright: ignore[reportUnknownVariableType]  JSON


def _context_id(action: str, answer: Any) -> str:
    try:
        context_id = answer["context"]["id"]
    except (LookupError, TypeError) as error:
        raise UnexpectedAnswerError(action, repr(error)) from None
    if type(context_id) is not str:
        raise UnexpectedAnswerError(action, f"context.id must be a string, got {context_id!r}")
    return context_id
