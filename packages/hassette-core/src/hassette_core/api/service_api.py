"""`ServiceApi`: call services, and wait for their effect."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict, cast

from hassette_core.api.attempts import Attempts, Confirmation, ServiceResult
from hassette_core.api.expectations import ExpectedStates, parse_expectation
from hassette_core.api.requests import ApiMethods, mapping_of
from hassette_core.api.targets import Target, as_target, entities_of
from hassette_core.containment import is_rehearsing
from hassette_core.handlers import Duration, seconds

WITHIN_S = 5.0
"""Default time limit of each attempt of a call with ``expect``, in seconds."""
SWITCHES = frozenset(
    {
        *("automation", "camera", "climate", "fan", "humidifier", "input_boolean", "light", "media_player", "remote"),
        *("script", "siren", "switch", "water_heater"),
    }
)
"""The domains that have the services ``turn_on`` and ``turn_off``, and for most entities ``toggle``."""
ACTIONS = {
    "button": "button.press",
    "cover": "cover.open_cover or cover.close_cover",
    "input_button": "input_button.press",
    "lock": "lock.unlock or lock.lock",
    "vacuum": "vacuum.start or vacuum.return_to_base",
    "valve": "valve.open_valve or valve.close_valve",
}
"""For domains that cannot be turned on and off: the services to use instead."""
READ_ONLY = frozenset({"binary_sensor", "device_tracker", "event", "person", "sensor", "sun", "weather", "zone"})


class CallOptions(TypedDict, total=False):
    """The options of `Api.call_service`, for functions that pass them on. See there for their meaning."""

    target: Target
    data: Mapping[str, Any]
    return_response: bool
    expect: ExpectedStates
    within: Duration
    retries: int


class ServiceApi(ApiMethods):
    """The methods of `Api` that call services."""

    async def call_service(
        self,
        domain: str,
        service: str | None = None,
        /,
        *,
        target: Target | None = None,
        data: Mapping[str, Any] | None = None,
        return_response: bool = False,
        expect: ExpectedStates = None,
        within: Duration | None = None,
        retries: int = 0,
        **fields: Any,
    ) -> ServiceResult:
        """Call a service (an action) and wait until Home Assistant has carried it out.

        Pass the fields of the service as keywords, in ``data``, or in both. A field that has the name of one of the
        arguments below, such as ``target`` or ``data``, can only be passed in ``data``.

        Home Assistant reports success even if a device did not react. With ``expect``, the call succeeds only after the
        expected states were seen. If they are not seen within the time, the call is repeated up to ``retries`` times.
        Without ``retries``, a call is sent once.

        Each attempt is added to the record of the run that makes it, even if it failed. Values of fields whose names
        look like a secret, for example ``code``, are sent but not recorded.

        Example:
            ::

                await self.api.call_service("light", "turn_on", target="light.hall", brightness=120)
                await self.api.call_service("light.turn_on", target="light.hall", expect="on", within=3, retries=2)
                await self.api.call_service("notify", "phone", message="Door open", data={"target": ["alex"]})
                await self.api.call_service("logbook", "log", name="Hall", message="is open", domain="light")

            A value of ``expect`` may be a state, several states, a function, or a dictionary with attributes::

                await self.api.call_service(
                    "cover.open_cover",
                    target="cover.garage",
                    expect={"cover.garage": ["open", "opening"], "light.garage": {"state": "on", "brightness": 200}},
                )

        Args:
            domain: For example ``light``. It may contain the service, as ``light.turn_on``.
            service: For example ``turn_on``.
            target: The entities, devices or areas to act on, or a selection, such as
                ``self.home.area("kitchen").lights``.
            data: Fields of the service, by name.
            return_response: True requests a response. Only some services have one, and some require this option.
            expect: The expected states by entity id, or one state for all entities of the target. The states may
                already be as expected before the call. A number is compared with a state as a number. A function
                receives the state as a string, or the value of the attribute. If it raises an exception, its value has
                not been seen yet.
            within: Time limit for the expected states in each attempt, in seconds from sending, 5 by default. It also
                ends the wait for Home Assistant's answer.
            retries: Maximum number of repetitions if the expected states are not seen. A call that failed is only
                repeated if the service itself failed (the error codes ``home_assistant_error``, ``timeout`` and
                ``unknown_error``) or if the answer was lost.
            fields: Fields of the service, for example ``brightness=120``.

        Returns:
            The id of the call's context, the response if one was requested, and the time until the confirmation.

        Raises:
            CallFailedError: Home Assistant refused the call: the service does not exist, a field is wrong, or a device
                failed.
            NotConfirmedError: The expected states were not seen. The error has the last seen values.
            NoAnswerError: Home Assistant did not answer in time.
            NotConnectedError: There is no connection, or the connection was lost before the answer.
            UnexpectedAnswerError: The answer has an unknown shape.
            TypeError, ValueError: A field is passed twice, a value cannot be written as JSON, the call is too large, or
                ``expect`` can never hold.
            RegistrationError: ``within`` is not a duration.
        """
        domain, service = service_of(domain, service)
        given = _merge_fields(f"call {domain}.{service}", data, fields)
        message: dict[str, Any] = {"domain": domain, "service": service}
        if given:
            message["service_data"] = given
        if target is not None:
            message["target"] = as_target(target, self._cache.states)
            if twice := sorted(message["target"].keys() & given.keys()):
                # Home Assistant would ignore the field.
                raise TypeError(f"{', '.join(twice)} must be given in target or as a field, got both")
        if return_response:
            message["return_response"] = True
        expectation = parse_expectation(expect, entities_of(message.get("target", {}), given))
        if expectation is None and (within is not None or retries):
            raise ValueError("expect must be given with within or retries, got None; without it, nothing is confirmed")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            raise ValueError(f"retries must be a whole number of 0 or more, got {retries!r}")
        attempts = Attempts(self._requests, self._cache, message)
        within_s = seconds("within", WITHIN_S if within is None else within)
        if is_rehearsing():
            return await attempts.rehearse()
        if expectation is None:
            return await attempts.send_once()
        return await attempts.send_until_confirmed(Confirmation(expectation, within_s, retries))

    async def turn_on(self, target: Target, /, **fields: Any) -> ServiceResult:
        """Turn entities on.

        Example:
            ::

                await self.api.turn_on("light.hall", brightness=120)
                await self.api.turn_on(self.home.area("kitchen").lights, expect="on", retries=1)

        Args:
            target: The entities, devices or areas. If all entities have one domain, the method calls the service of
                this domain, such as ``light.turn_on``, otherwise ``homeassistant.turn_on``.
            fields: Fields of the service, and the options of `call_service`, such as ``expect``.

        Raises:
            ValueError: An entity cannot be turned on, such as a cover or a sensor. The message names the services to
                use instead.
            LinkError, NotConfirmedError: See `call_service`.
        """
        return await self._switch("turn_on", target, fields)

    async def turn_off(self, target: Target, /, **fields: Any) -> ServiceResult:
        """Turn entities off. Arguments and errors are those of `turn_on`."""
        return await self._switch("turn_off", target, fields)

    async def toggle(self, target: Target, /, **fields: Any) -> ServiceResult:
        """Turn entities on that are off, and turn the others off. Arguments and errors are those of `turn_on`."""
        return await self._switch("toggle", target, fields)

    async def _switch(self, service: str, target: Target, fields: Mapping[str, Any]) -> ServiceResult:
        given = as_target(target, self._cache.states)
        domain = _switch_domain(service, entities_of(given, {}))
        return await self.call_service(domain, service, target=given, **fields)

    async def notify(
        self,
        message: str,
        *,
        title: str | None = None,
        target: str | Sequence[str] | None = None,
        data: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Send a notification.

        Example:
            ::

                await self.api.notify("The door is open", title="Hall")
                await self.api.notify("The bell rang", target="mobile_app_alex", data={"image": "/local/door.jpg"})
                await self.api.notify("The filter is full", target="persistent_notification", notification_id="filter")

        Args:
            message: The text.
            title: The title.
            target: The name of a notify service, such as ``mobile_app_alex`` or ``notify.mobile_app_alex``; a notify
                entity, such as ``notify.kitchen_display``; or ``persistent_notification``, which Home Assistant shows
                on its own page. A list sends to each of them, one after the other. None calls ``notify.notify``.
            data: Further data of a notify service, such as ``actions``, ``image`` or ``tag``. A notify entity has none.
            fields: Further fields of the service, such as ``notification_id``.

        Raises:
            TypeError, ValueError: A notify entity was given data, or a target is no notify service.
            CallFailedError: There is no such notify service, or it failed.
            LinkError: See `call_service`.
        """
        content: dict[str, Any] = {"message": message, **fields}
        if title is not None:
            content["title"] = title
        more = {"data": given} if (given := mapping_of("data", data)) else {}
        names = ("notify",) if target is None else _notify_names(target)
        for name in names:
            entity_id = f"notify.{name}"
            if name == "persistent_notification":
                await self.call_service("persistent_notification", "create", data=content)
            elif target is not None and entity_id in self._cache.states:
                if more:
                    raise ValueError(f"data must be None for the notify entity {entity_id}, got {data!r}")
                await self.call_service("notify", "send_message", target=entity_id, data=content)
            else:
                await self.call_service("notify", name, data={**content, **more})


def _notify_names(target: object) -> list[str]:
    """Return the names of notify services and entities without their domain.

    Raises:
        TypeError, ValueError: There is none, or one is wrong.
    """
    names: list[object] = [target]
    if isinstance(target, Collection) and not isinstance(target, str | bytes | Mapping):
        names = list(cast("Collection[object]", target))
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"\w+", name.removeprefix("notify.")):
            raise (ValueError if isinstance(name, str) else TypeError)(
                f"target must be a notify service or entity, such as 'mobile_app_alex', or several of these, got"
                f" {name!r}"
            )
    if not names:
        raise ValueError(f"target must contain at least one notify service, got {target!r}; leave it out for all")
    return [str(name).removeprefix("notify.") for name in names]


def service_of(domain: str, service: str | None = None) -> tuple[str, str]:
    """Return domain and service, which may be given in one string.

    Raises:
        TypeError, ValueError: They do not name a service. The message contains a correction.
    """
    for name in (domain, service or ""):
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            raise TypeError(f"domain and service must be texts, such as 'light', 'turn_on', got {name!r}")
    if service is None:
        first, dot, second = domain.partition(".")
        if first and second and "." not in second:
            return first, second
        hint = f"; write {domain.replace('/', '.')!r}" if domain.count("/") == 1 and not dot else ""
        raise ValueError(f"the service must have a domain and a name, such as 'light.turn_on', got {domain!r}{hint}")
    if "." in service or "." in domain:
        hint = f"; pass target={service!r}" if "." in domain else f"; write {service!r} alone"
        raise ValueError(
            f"domain and service must be two names, such as 'light', 'turn_on', got {domain!r}, {service!r}{hint}"
        )
    return domain, service


def _merge_fields(action: str, data: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    given = mapping_of("data", data)
    if twice := sorted(given.keys() & fields.keys()):
        raise TypeError(f"cannot {action}: {', '.join(twice)} must be given in data or as a keyword, got both")
    return {**given, **fields}


def _switch_domain(service: str, entity_ids: Sequence[str]) -> str:
    """Return the domain whose service turns entities on or off.

    Raises:
        ValueError: An entity cannot be turned on or off. Home Assistant would report success and do nothing.
    """
    domains = {entity_id.partition(".")[0] for entity_id in entity_ids}
    for entity_id in entity_ids:
        domain, dot, _ = entity_id.partition(".")
        if not dot:
            raise ValueError(f"the target of {service} must be entity ids, such as 'light.hall', got {entity_id!r}")
        instead = ACTIONS.get(domain)
        if instead is not None or domain in READ_ONLY:
            hint = f"call {instead}" if instead else "it only has a state"
            raise ValueError(
                f"the target of {service} must be something that can be on or off, got {entity_id!r}; {hint}"
            )
    if len(domains) == 1:
        (domain,) = domains
        if domain in SWITCHES or (domain == "scene" and service == "turn_on"):
            return domain
    return "homeassistant"
