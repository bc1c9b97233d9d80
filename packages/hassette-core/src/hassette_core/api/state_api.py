"""`StateApi`: read and write states, and fire events."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from hassette_core.api.requests import ApiMethods, context_id_of, mapping_of
from hassette_core.api.targets import check_one
from hassette_core.events import Context, State, new_context_id
from hassette_core.link.answers import parse_one_state, parse_states


class StateApi(ApiMethods):
    """The methods of `Api` that read and write states, and fire events."""

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
        return parse_states(await self._requests.command(action, "get_states")).states

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
        answer = await self._requests.rest(action, "GET", _path_of(entity_id), missing_is_none=True)
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
            CallFailedError: Home Assistant refused the state: it is too long.
            NoAnswerError: Home Assistant did not answer within 30 s. It may still write the state.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError, ValueError: The entity id is not valid, the state is neither a text nor a number, or an attribute
                cannot be written as JSON.
        """
        action = f"set the state of {check_one('entity_id', entity_id)}"
        text = _text_of(state)
        given = mapping_of("attributes", attributes)
        body = {"state": text, "attributes": given}

        async def send() -> State:
            answer = await self._requests.rest(action, "POST", _path_of(entity_id), body)
            return parse_one_state(action, answer.body)

        def rehearsed() -> State:
            now = self._requests.clock.now()
            return State(entity_id, text, MappingProxyType(given), now, now, Context(new_context_id()))

        return await self._requests.change(
            "set_state", {"entity_id": entity_id}, body, send, rehearsed, lambda written: written.context.id
        )

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
            TypeError, ValueError: The entity id is not valid.
        """
        action = f"remove the state of {check_one('entity_id', entity_id)}"

        async def send() -> bool:
            answer = await self._requests.rest(action, "DELETE", _path_of(entity_id), missing_is_none=True)
            return answer.status != 404

        known = entity_id in self._cache.states
        return await self._requests.change("remove_state", {"entity_id": entity_id}, {}, send, lambda: known)

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
            TypeError, ValueError: The type is empty, or the data cannot be written as JSON, or is too large.
        """
        if not isinstance(event_type, str) or not event_type.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            raise ValueError(f"event_type must be a text such as 'my_event', got {event_type!r}")
        action = f"fire {event_type}"
        event_data = mapping_of("data", data)

        async def send() -> str:
            answer = await self._requests.command(action, "fire_event", event_type=event_type, event_data=event_data)
            return context_id_of(action, answer)

        recorded = {"event_type": event_type, **({"event_data": event_data} if event_data else {})}
        return await self._requests.change(
            "fire_event", {}, recorded, send, new_context_id, lambda context_id: context_id
        )


def _text_of(state: object) -> str:
    """Return a state as a text.

    Raises:
        TypeError, ValueError: The value is neither a text nor a finite number.
    """
    if state is None or isinstance(state, bool):
        hint = "'unknown'" if state is None else ("'on'" if state else "'off'")
        raise ValueError(f"state must be a text or a number, got {state!r}; write {hint}")
    if isinstance(state, str):
        return str.__str__(state)
    if not isinstance(state, int | float):
        raise TypeError(f"state must be a text or a number, got {state!r}; write str(…) of it")
    if not math.isfinite(state):
        raise ValueError(f"state must be a finite number, got {state!r}; write 'unknown'")
    return str(state)


def _path_of(entity_id: str) -> str:
    return f"/api/states/{quote(entity_id, safe='')}"
