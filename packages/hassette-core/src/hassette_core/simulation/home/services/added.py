"""`added_service`: a service that a test adds to the simulated home."""

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Literal, cast

from hassette_core.simulation.home.model.model import HomeCall
from hassette_core.simulation.home.services.fields import (
    ANY,
    BOOLEAN,
    DATE,
    DATETIME,
    DURATION,
    ENTITIES,
    NUMBER,
    TEXT,
    TIME,
    ServiceField,
)
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService

ServiceHandler = Callable[[HomeCall], Any]
"""Receives a call, and returns the response. An exception fails the call."""
ServiceResponse = Mapping[str, Any] | Literal["none", "optional", "only"] | None

KINDS: dict[str, ServiceField] = {
    "boolean": BOOLEAN,
    "date": DATE,
    "datetime": DATETIME,
    "duration": DURATION,
    "entity": ENTITIES,
    "number": NUMBER,
    "object": ANY,
    "select": TEXT.replace(selector="select"),
    "text": TEXT,
    "time": TIME,
}
_OBVIOUS = {
    "turn_on": "on",
    "turn_off": "off",
    "lock": "locked",
    "unlock": "unlocked",
    "open": "open",
    "close": "closed",
    "start": "on",
    "stop": "off",
    "enable": "on",
    "disable": "off",
}
_VALUES = ("value", "option", "state", "mode")


def added_service(
    domain: str,
    name: str,
    handler: ServiceHandler | None,
    fields: Mapping[str, str | ServiceField] | None,
    required: tuple[str, ...],
    response: ServiceResponse,
) -> SimulatedService:
    """Return a service.

    Args:
        domain: The domain of the service.
        name: The name of the service.
        handler: Receives each call. None makes the obvious change: ``turn_on`` sets the state ``on``, and so on.
        fields: The kind of each field, such as ``{"volume": "number"}``. None accepts any fields.
        required: The names of the fields that a call must contain.
        response: The response, or whether the service returns the response of the handler.

    Raises:
        ValueError: The handler is an ``async def``, a kind is unknown, or a required field is not a field.
    """
    if iscoroutinefunction(handler):
        raise ValueError(f"handler must be a plain function (def, not async def), got {handler!r}")
    parsed: dict[str, ServiceField] = {}
    for field, kind in (fields or {}).items():
        if isinstance(kind, str):
            if kind not in KINDS:
                raise ValueError(f"fields[{field!r}] must be one of {', '.join(KINDS)}, got {kind!r}")
            kind = KINDS[kind]
        parsed[field] = kind.as_required if field in required else kind
    if unknown := set(required) - set(parsed):
        raise ValueError(f"required must contain names of fields, got {sorted(unknown)}")
    fixed: object = dict(response) if isinstance(response, Mapping) else None
    if isinstance(response, str):
        has_response: Literal["none", "optional", "only"] = response
    else:
        has_response = "optional" if response is not None or handler is not None else "none"

    def act(call: EntityCall) -> object:
        if handler is not None:
            returned = handler(call.call)
            return returned if fixed is None else fixed
        for entity_id in call.call.entity_ids:
            if not call.model.failures.take_deaf(entity_id):
                _change_obviously(call._replace(entity_id=entity_id), domain, name)
        return fixed if fixed is not None else {}

    return SimulatedService(
        act, parsed, targeted=False, response=has_response, accepts_all=fields is None, shows_target=domain != "notify"
    )


def _change_obviously(call: EntityCall, domain: str, name: str) -> None:
    entity = call.entity
    short = name.removesuffix(f"_{domain}")
    if short == "toggle":
        pairs = {"on": "off", "open": "closed", "locked": "unlocked"}
        back = {off: on for on, off in pairs.items()}
        call.change(pairs.get(entity.state) or back.get(entity.state, "on"))
    elif short == "press":
        call.change(call.core.now())
    elif short in _OBVIOUS:
        call.change(_OBVIOUS[short])
    elif short.startswith(("set_", "select_")):
        attribute = short.partition("_")[2]
        if attribute in call.data and attribute not in _VALUES:
            call.change(**{attribute: call.data[attribute]})
        else:
            given = [call.data[key] for key in _VALUES if key in call.data]
            if given:
                call.change(cast("object", given[0]))
