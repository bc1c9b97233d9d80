"""`ServiceRegistry`: find a simulated service, validate the data of a call, and carry it out for each entity."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, HomeEntity, Json
from hassette_core.simulation.home.entities import area_of
from hassette_core.simulation.home.services.fields import ServiceField

TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")


class EntityCall(NamedTuple):
    """A service call for one entity, with validated data.

    Attributes:
        services: All services, so that a service can call another one.
        core: The states and events of the home.
        entity_id: The entity. Empty for a service without a target.
        data: The values of the service's fields.
        context: The context of all states and events that the call causes.
    """

    services: "ServiceRegistry"
    core: HomeCore
    entity_id: str
    data: Json
    context: HomeContext

    @property
    def entity(self) -> HomeEntity:
        """The entity, as it is now."""
        return self.core.entities[self.entity_id]


class SimulatedService(NamedTuple):
    """A service of the simulated home.

    Attributes:
        act: Carries out a call for one entity, and returns the response.
        fields: The fields of the service.
        one_of: A call must contain at least one of these fields.
        targeted: Whether the service acts on entities.
        response: ``only`` for a service that only returns a response, such as a forecast; otherwise ``none``.
    """

    act: Callable[[EntityCall], object]
    fields: Mapping[str, ServiceField] = {}
    one_of: tuple[str, ...] = ()
    targeted: bool = True
    response: Literal["none", "only"] = "none"


class PreparedCall(NamedTuple):
    """A call that the home has accepted and will carry out.

    Attributes:
        carry_out: Carries out the call, and returns the response or None. Raises `RefusedError` if the service fails.
        delay_s: Seconds of the home's clock from the acceptance to `carry_out`.
    """

    carry_out: Callable[[], Any]
    delay_s: float = 0.0


class ServiceRegistry:
    """All services of the home.

    Args:
        core: The states and events of the home.
        table: The services, by domain and name.
    """

    def __init__(self, core: HomeCore, table: Mapping[str, Mapping[str, SimulatedService]]) -> None:
        self._core = core
        self._table = table

    @property
    def domains(self) -> frozenset[str]:
        """The domains that have services."""
        return frozenset(self._table)

    def has(self, domain: str, service: str) -> bool:
        """Return whether the service exists."""
        return service in self._table.get(domain, {})

    def describe(self) -> dict[str, Json]:
        """Return the answer to ``get_services``: all services by domain and name."""
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
        """Carry out a call at once. Return its response, or None. The arguments and errors are those of `prepare`."""
        return self.prepare(domain, service, data, context, return_response=return_response).carry_out()

    def prepare(
        self, domain: str, service: str, data: Json, context: HomeContext, *, return_response: bool = False
    ) -> PreparedCall:
        """Check a call, and fire ``call_service``.

        Args:
            domain: For example ``light``.
            service: For example ``turn_on``.
            data: The fields and the target together.
            context: The context of all states and events that the call causes.
            return_response: Whether the caller requests a response.

        Raises:
            RefusedError: Home Assistant would refuse the call.
        """
        domain, service = domain.lower(), service.lower()
        found = self._table.get(domain, {}).get(service)
        if found is None:
            raise RefusedError("not_found", f"Service {domain}.{service} not found.")
        if return_response and found.response == "none":
            raise validation_error(
                "An action which does not return responses can't be called with return_response=True"
            )
        if found.response == "only" and not return_response:
            raise validation_error("The action requires responses and must be called with return_response=True")
        given = {key: value for key, value in data.items() if key not in TARGET_KEYS}
        target = {key: parse_ids(key, value) for key, value in data.items() if key in TARGET_KEYS}
        if found.targeted and not target:
            raise RefusedError("invalid_format", f"must contain at least one of {', '.join(TARGET_KEYS)}.")
        fields = _parse_fields(found, given)
        self._core.fire("call_service", {"domain": domain, "service": service, "service_data": data}, context)
        return PreparedCall(
            lambda: self._carry_out(found, domain, fields, target, context, return_response=return_response)
        )

    def _carry_out(
        self,
        found: SimulatedService,
        domain: str,
        fields: Json,
        target: dict[str, list[str]],
        context: HomeContext,
        *,
        return_response: bool,
    ) -> Any:
        if not found.targeted:
            return found.act(EntityCall(self, self._core, "", fields | target, context))
        entities = self._targets(domain, target)
        if return_response and not entities:
            message = "Service call requested response data but did not match any entities"
            raise RefusedError("home_assistant_error", message)
        responses = {
            entity_id: found.act(EntityCall(self, self._core, entity_id, fields, context)) for entity_id in entities
        }
        return responses if found.response == "only" else None

    def _targets(self, domain: str, target: Mapping[str, list[str]]) -> list[str]:
        """Return the entities of the domain that the target selects.

        As in Home Assistant, unknown ids and unavailable entities are ignored.
        """
        in_domain = [
            entity_id
            for entity_id, entity in self._core.entities.items()
            if entity_id.startswith(f"{domain}.") and entity.state != "unavailable"
        ]
        named, areas = target.get("entity_id", []), target.get("area_id", [])
        return in_domain if "all" in named else [each for each in in_domain if each in named or area_of(each) in areas]


def _parse_fields(service: SimulatedService, given: Json) -> Json:
    for key in given:
        if key not in service.fields:
            raise RefusedError("invalid_format", f"extra keys not allowed @ data['{key}']")
    for key, field in service.fields.items():
        if field.required and key not in given:
            raise RefusedError("invalid_format", f"required key not provided @ data['{key}']")
    if service.one_of and not any(key in given for key in service.one_of):
        raise RefusedError("invalid_format", f"must contain at least one of {', '.join(service.one_of)}.")
    parsed: Json = {}
    for key, value in given.items():
        try:
            parsed[key] = service.fields[key].parse(value)
        except (TypeError, ValueError, OverflowError):  # an infinite number, such as 1e999, overflows
            message = f"{service.fields[key].error(value)} for dictionary value @ data['{key}']"
            raise RefusedError("invalid_format", message) from None
    return parsed


def parse_ids(key: str, value: Any) -> list[str]:
    """Parse the ids of a target: an id, several ids separated by commas, a list of ids, or None for no id.

    Args:
        key: One of `TARGET_KEYS`.
        value: The value of this key.

    Raises:
        RefusedError: The value has another form.
    """
    ids: Any = [] if value is None else value.split(",") if isinstance(value, str) else value
    if isinstance(ids, list) and all(isinstance(each, str) for each in cast("list[Any]", ids)):
        parsed = [each.strip() for each in cast("list[str]", ids)]
        if key != "entity_id":
            return parsed
        parsed = [each.lower() for each in parsed]  # as in Home Assistant
        if all(each in ("all", "none") or each.count(".") == 1 for each in parsed):
            return parsed
    raise RefusedError("invalid_format", f"not a valid value for dictionary value @ data['{key}']")


def validation_error(message: str) -> RefusedError:
    """Return the error for a call that is well-formed but cannot be carried out."""
    return RefusedError("service_validation_error", f"Validation error: {message}")
