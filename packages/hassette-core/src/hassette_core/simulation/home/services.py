"""How a service is called: found, its data checked, its targets chosen; as Home Assistant does it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.house import area_of
from hassette_core.simulation.home.parameters import Parameter

TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")


class Call(NamedTuple):
    """One call, its data read, about one entity.

    Attributes:
        services: Where to call other services.
        core: The house's states and events.
        entity_id: The entity; empty for a service that has no target.
        data: The parameters.
        context: To be given to everything that the call causes.
    """

    services: "Services"
    core: HomeCore
    entity_id: str
    data: Json
    context: HomeContext


class Service(NamedTuple):
    """A service.

    Attributes:
        act: Does it, once per entity; what it returns is the answer.
        fields: Its parameters.
        one_of: It needs at least one of these.
        targeted: Whether it acts on entities.
        response: Whether it answers: ``none``, or ``only`` for one that does nothing else.
    """

    act: Callable[[Call], object]
    fields: Mapping[str, Parameter] = {}
    one_of: tuple[str, ...] = ()
    targeted: bool = True
    response: Literal["none", "only"] = "none"


class Services:
    """All services of the house.

    Args:
        core: The house's states and events.
        table: The services, by domain and name.
    """

    def __init__(self, core: HomeCore, table: Mapping[str, Mapping[str, Service]]) -> None:
        self._core = core
        self._table = table

    def has(self, domain: str, service: str) -> bool:
        """Whether there is such a service."""
        return service in self._table.get(domain, {})

    def describe(self) -> dict[str, Json]:
        """Return them by domain and name, as ``get_services`` does."""
        return {
            domain: {
                name: {
                    "name": name.replace("_", " ").capitalize(),
                    "description": "",
                    "fields": {field: {"required": detail.required} for field, detail in service.fields.items()},
                    **({"target": {"entity": [{"domain": [domain]}]}} if service.targeted else {}),
                    **({"response": {"optional": False}} if service.response == "only" else {}),
                }
                for name, service in services.items()
            }
            for domain, services in self._table.items()
        }

    def call(
        self, domain: str, service: str, data: Json, context: HomeContext, *, return_response: bool = False
    ) -> Any:
        """Carry out a call and return its answer, or None.

        Args:
            domain: Such as ``light``.
            service: Such as ``turn_on``.
            data: Parameters and target in one.
            context: Given to everything that the call causes.
            return_response: Whether the caller wants an answer.

        Raises:
            RefusedError: It is refused.
        """
        found = self._table.get(domain, {}).get(service)
        if found is None:
            raise RefusedError("not_found", f"Service {domain}.{service} not found.")
        if return_response and found.response == "none":
            raise not_valid("An action which does not return responses can't be called with return_response=True")
        if found.response == "only" and not return_response:
            raise not_valid("The action requires responses and must be called with return_response=True")
        given = {key: value for key, value in data.items() if key not in TARGET_KEYS}
        target = {key: read_ids(key, value) for key, value in data.items() if key in TARGET_KEYS}
        if found.targeted and not target:
            raise RefusedError("invalid_format", f"must contain at least one of {', '.join(TARGET_KEYS)}.")
        read = _read(found, given)
        self._core.fire("call_service", {"domain": domain, "service": service, "service_data": data}, context)
        if not found.targeted:
            return found.act(Call(self, self._core, "", read | target, context))
        answers = {
            entity_id: found.act(Call(self, self._core, entity_id, read, context))
            for entity_id in self._targets(domain, target)
        }
        return answers if found.response == "only" else None

    def _targets(self, domain: str, target: Mapping[str, list[str]]) -> list[str]:
        """Return the domain's entities that are meant; a name of none is passed over, as by Home Assistant."""
        mine = [entity_id for entity_id in self._core.states if entity_id.startswith(f"{domain}.")]
        named, areas = target.get("entity_id", []), target.get("area_id", [])
        return mine if "all" in named else [one for one in mine if one in named or area_of(one) in areas]


def _read(service: Service, given: Json) -> Json:
    for key in given:
        if key not in service.fields:
            raise RefusedError("invalid_format", f"extra keys not allowed @ data['{key}']")
    for key, field in service.fields.items():
        if field.required and key not in given:
            raise RefusedError("invalid_format", f"required key not provided @ data['{key}']")
    if service.one_of and not any(key in given for key in service.one_of):
        raise RefusedError("invalid_format", f"must contain at least one of {', '.join(service.one_of)}.")
    read: Json = {}
    for key, value in given.items():
        try:
            read[key] = service.fields[key].read(value)
        except (TypeError, ValueError):
            problem = f"{service.fields[key].complain(value)} for dictionary value @ data['{key}']"
            raise RefusedError("invalid_format", problem) from None
    return read


def read_ids(key: str, value: Any) -> list[str]:
    """Read what a call is to act on: one id, several with commas, or a list; None is nobody.

    Args:
        key: Which of `TARGET_KEYS`.
        value: What was given for it.

    Raises:
        RefusedError: It is something else.
    """
    ids: Any = [] if value is None else value.split(",") if isinstance(value, str) else value
    if isinstance(ids, list) and all(isinstance(one, str) for one in cast("list[Any]", ids)):
        read = [one.strip() for one in cast("list[str]", ids)]
        if key != "entity_id" or all(one in ("all", "none") or one.count(".") == 1 for one in read):
            return read
    raise RefusedError("invalid_format", f"not a valid value for dictionary value @ data['{key}']")


def not_valid(message: str) -> RefusedError:
    """Make the refusal of a call that is well formed and cannot be done."""
    return RefusedError("service_validation_error", f"Validation error: {message}")
