"""`ServiceRegistry`: find a simulated service, validate the data of a call, and carry it out for each entity."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, HomeEntity, Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.model.model import HomeCall
from hassette_core.simulation.home.model.registries import TARGET_KEYS
from hassette_core.simulation.home.services.fields import ANY, ServiceField
from hassette_core.simulation.home.services.refusals import (
    failure,
    invalid,
    missing_key,
    none_of,
    unknown_key,
    validation_error,
)


class EntityCall(NamedTuple):
    """A service call for one entity, with validated data.

    Attributes:
        services: All services, so that a service can call another one.
        call: The whole call.
        entity_id: The entity. Empty for a service without a target.
        data: The values of the service's fields.
        context: The context of all states and events that the call causes.
    """

    services: "ServiceRegistry"
    call: HomeCall
    entity_id: str
    data: Json
    context: HomeContext

    @property
    def model(self) -> HomeModel:
        """The parts of the home."""
        return self.services.model

    @property
    def core(self) -> HomeCore:
        """The states and events of the home."""
        return self.services.model.core

    @property
    def entity(self) -> HomeEntity:
        """The entity, as it is now."""
        return self.core.entities[self.entity_id]

    def change(self, state: object = None, **attributes: Any) -> None:
        """Change the entity, with the context of the call."""
        self.core.change(self.entity_id, state, context=self.context, **attributes)

    def listed(self, attribute: str) -> list[str] | None:
        """Return an attribute that is a list of texts; None if it is missing or something else."""
        value = self.entity.attributes.get(attribute)
        return [str(each) for each in cast("list[object]", value)] if isinstance(value, list) else None


ServiceAction = Callable[[EntityCall], object]


@dataclass(frozen=True, slots=True)
class SimulatedService:
    """A service of the simulated home.

    Attributes:
        act: Carries out a call for one entity, and returns the response. An exception fails the call.
        fields: The fields of the service.
        one_of: A call must contain at least one of these fields.
        targeted: Whether the service acts on the entities of its target, one after the other.
        response: ``only`` for a service that only returns a response, such as a forecast; ``optional`` for a service
            that also acts; otherwise ``none``.
        features: Bits of ``supported_features``. An entity with this attribute and without these bits refuses a call.
        of_any_domain: Whether the target may contain entities of other domains.
        accepts_all: Whether a call may contain unknown fields.
        since: The first version with the service; None if all have it.
        until: The first version without the service; None if there is none.
        shows_target: Whether ``get_services`` describes a target; None means that `targeted` decides.
    """

    act: ServiceAction
    fields: Mapping[str, ServiceField] = dataclasses.field(default_factory=dict[str, ServiceField])
    one_of: tuple[str, ...] = ()
    targeted: bool = True
    response: Literal["none", "optional", "only"] = "none"
    features: int = 0
    of_any_domain: bool = False
    accepts_all: bool = False
    since: str | None = None
    until: str | None = None
    shows_target: bool | None = None

    def in_version(self, core: HomeCore) -> bool:
        """Return whether the service exists in the version of the home."""
        return not (self.until and core.since(self.until)) and (self.since is None or core.since(self.since))


class PreparedCall(NamedTuple):
    """A call that the home has accepted and will carry out.

    Attributes:
        carry_out: Carries out the call, and returns the response or None. Raises `RefusedError` if the service fails.
        delay_s: Seconds of the home's clock from the acceptance to `carry_out`.
        answered: Whether the client gets an answer.
    """

    carry_out: Callable[[], Any]
    delay_s: float = 0.0
    answered: bool = True


class ServiceRegistry:
    """All services of the home.

    Args:
        model: The parts of the home.
        table: The services, by domain and name.

    Attributes:
        model: The parts of the home.
    """

    def __init__(self, model: HomeModel, table: Mapping[str, Mapping[str, SimulatedService]]) -> None:
        self.model = model
        self._core = model.core
        self._table: dict[str, dict[str, SimulatedService]] = {domain: {**table[domain]} for domain in table}
        model.integrations.update(table)

    def add(self, domain: str, name: str, service: SimulatedService) -> None:
        """Add or replace a service, and fire ``service_registered``."""
        if domain not in self._table:
            self.model.integrations.add(domain)
            self._core.fire("component_loaded", {"component": domain})
        self._table.setdefault(domain, {})[name] = service
        self._core.fire("service_registered", {"domain": domain, "service": name})

    def remove(self, domain: str, name: str) -> None:
        """Remove a service, and fire ``service_removed``.

        Raises:
            KeyError: There is no such service.
        """
        del self._table[domain][name]
        if not self._table[domain]:
            del self._table[domain]
        self._core.fire("service_removed", {"domain": domain, "service": name})

    def remove_domain(self, domain: str) -> None:
        """Remove an integration with all its services. If it is not loaded, do nothing."""
        for name in tuple(self._table.get(domain, {})):
            self.remove(domain, name)
        if domain in self.model.integrations:
            self.model.integrations.remove(domain)
            self.model.unloaded.add(domain)

    def find(self, domain: str, name: str) -> SimulatedService | None:
        """Return a service; None if the home does not have it."""
        found = self._table.get(domain, {}).get(name)
        return found if found is not None and found.in_version(self._core) else None

    def has(self, domain: str, service: str) -> bool:
        """Return whether the service exists."""
        return self.find(domain, service) is not None

    def names(self) -> list[str]:
        """Return the names of all services, such as ``light.turn_on``."""
        return [
            f"{domain}.{name}"
            for domain, services in self._table.items()
            for name, service in services.items()
            if service.in_version(self._core)
        ]

    def describe(self) -> dict[str, Json]:
        """Return the answer to ``get_services``: all services by domain and name."""
        described: dict[str, Json] = {}
        for domain, services in self._table.items():
            known = {name: service for name, service in services.items() if service.in_version(self._core)}
            if known:
                described[domain] = {name: self._describe(domain, name, service) for name, service in known.items()}
        return described

    def _describe(self, domain: str, name: str, service: SimulatedService) -> Json:
        older = not self._core.since("2026.9")
        description: Json = {"fields": dict(self._describe_fields(service))}
        if older:
            description |= {"name": name.replace("_", " ").capitalize(), "description": ""}
        if service.targeted if service.shows_target is None else service.shows_target:
            description["target"] = {"entity": [{} if service.of_any_domain else {"domain": [domain]}]}
        if service.response != "none":
            description["response"] = {"optional": service.response == "optional"}
        return description

    def _describe_fields(self, service: SimulatedService) -> Iterator[tuple[str, Json]]:
        for name, field in service.fields.items():
            if not field.is_described(self._core):
                continue
            required = field.required if field.shown_as_required is None else field.shown_as_required
            kind = (self._core.since("2026") and field.newer_selector) or field.selector
            yield (
                name,
                {
                    **({"required": True} if required else {}),
                    **({"selector": {kind: {}}} if kind is not None else {}),
                },
            )

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
        try:
            return self._prepare(domain, service, data, context, return_response=return_response)
        except RefusedError as error:
            self.model.refuse(self._unparsed(domain, service, data, context), error)
            raise

    def _prepare(
        self, domain: str, service: str, data: Json, context: HomeContext, *, return_response: bool
    ) -> PreparedCall:
        found = self.find(domain, service)
        if found is None:
            raise RefusedError("not_found", f"Service {domain}.{service} not found.")
        if return_response and found.response == "none":
            raise validation_error(
                "An action which does not return responses can't be called with return_response=True"
            )
        if found.response == "only" and not return_response:
            raise validation_error("The action requires responses and must be called with return_response=True")
        given = {key: value for key, value in data.items() if key in found.fields or key not in TARGET_KEYS}
        target = {
            key: parse_ids(self._core, value, key)
            for key, value in data.items()
            if key in TARGET_KEYS and key not in found.fields
        }
        if found.targeted and not target:
            raise none_of(self._core, TARGET_KEYS)
        fields = self._parse_fields(found, given)
        self._core.fire("call_service", {"domain": domain, "service": service, "service_data": data}, context)
        entities = self._targets(None if found.of_any_domain else domain, target) if target else []
        call = HomeCall(
            domain=domain,
            service=service,
            data=given,
            target=target,
            entity_ids=tuple(entities),
            context=context,
            time=self._core.clock.now(),
            return_response=return_response,
        )
        self.model.calls.append(call)
        name, failures = f"{domain}.{service}", self.model.failures
        refusal = failures.take_refusal(name, entities)

        def carry_out() -> Any:
            try:
                return self._carry_out(found, call, fields, refusal)
            except Exception as error:  # the function of an added service may raise any exception
                self.model.refuse(call, error)
                raise

        return PreparedCall(carry_out, failures.take_delay(name, entities), not failures.take_unanswered(name))

    def _unparsed(self, domain: str, service: str, data: Json, context: HomeContext) -> HomeCall:
        """Return a call that the home refuses, with the target as far as it is readable."""
        target: dict[str, list[str]] = {}
        for key in TARGET_KEYS:
            with suppress(RefusedError):  # the target may be the reason for the refusal
                if key in data:
                    target[key] = parse_ids(self._core, data[key], key)
        return HomeCall(
            domain=domain,
            service=service,
            data={key: value for key, value in data.items() if key not in target},
            target=target,
            entity_ids=(),
            context=context,
            time=self._core.clock.now(),
        )

    def _carry_out(self, found: SimulatedService, call: HomeCall, fields: Json, refusal: RefusedError | None) -> Any:
        if refusal is not None:
            raise refusal
        if not found.targeted:
            response = found.act(EntityCall(self, call, "", {**fields, **call.target}, call.context))
            return response if call.return_response else None
        if call.return_response and not call.entity_ids:
            raise failure("Service call requested response data but did not match any entities")
        responses: Json = {}
        for entity_id in call.entity_ids:
            entity = self._core.entities.get(entity_id)
            if entity is None or entity.state == "unavailable":
                continue  # it has become unavailable since the call began
            supported = entity.attributes.get("supported_features")
            if found.features and type(supported) is int and not supported & found.features:
                if entity_id not in call.target.get("entity_id", []):
                    continue
                raise validation_error(f"Entity {entity_id} does not support action {call.domain}.{call.service}")
            if not self.model.failures.take_deaf(entity_id):
                responses[entity_id] = found.act(EntityCall(self, call, entity_id, fields, call.context))
        return responses if call.return_response else None

    def _targets(self, domain: str | None, target: Mapping[str, list[str]]) -> list[str]:
        """Return the entities that the target selects. As in Home Assistant, unknown ids are ignored.

        Args:
            domain: Only entities of this domain. None means any domain.
            target: The ids by key.
        """
        in_domain = [
            entity_id
            for entity_id, entity in self._core.entities.items()
            if (domain is None or entity_id.startswith(f"{domain}.")) and entity.state != "unavailable"
        ]
        named = set(target.get("entity_id", []))
        if "all" in named:
            return in_domain
        selected = named | set(self.model.registries.resolve(target).found)
        return [each for each in in_domain if each in selected]

    def _parse_fields(self, service: SimulatedService, given: Json) -> Json:
        core = self._core
        known = {name: field for name, field in service.fields.items() if field.in_version(core)}
        for key in given:
            if key not in known and not service.accepts_all:
                raise unknown_key(core, key)
        for key, field in known.items():
            if field.required and key not in given:
                raise missing_key(core, key)
        if service.one_of and not any(key in given for key in service.one_of):
            raise none_of(core, service.one_of)
        parsed: Json = {}
        for key, value in given.items():
            field = known.get(key, ANY)
            try:
                parsed[key] = field.parse(value)
            except (TypeError, ValueError, OverflowError):  # an infinite number, such as 1e999, overflows
                raise invalid(core, field.problem(core, value), key) from None
        return parsed


def parse_ids(core: HomeCore, value: Any, *path: str) -> list[str]:
    """Parse the ids of a target: an id, several ids separated by commas, a list of ids, or None for no id.

    Args:
        core: The states and events of the home.
        value: The value.
        path: The keys that lead to the value. The last one is one of `TARGET_KEYS`.

    Raises:
        RefusedError: The value has another form.
    """
    ids: Any = [] if value is None else value.split(",") if isinstance(value, str) else value
    if isinstance(ids, list) and all(isinstance(each, str) for each in cast("list[Any]", ids)):
        parsed = [each.strip() for each in cast("list[str]", ids)]
        if path[-1] != "entity_id":
            return parsed
        parsed = [each.lower() for each in parsed]  # as in Home Assistant
        if all(each in ("all", "none") or each.count(".") == 1 for each in parsed):
            return parsed
    problem = "expected 'all' or 'none'" if core.since("2026.9") else "not a valid value"
    raise invalid(core, problem, *path)
