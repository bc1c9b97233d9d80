"""`HomeContents`: the contents of the simulated home that a test can change, without its process and connections."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.model import Failures, HomeCall, HomeModel, HomeUser, Registries
from hassette_core.simulation.home.model.history import HomeHistory
from hassette_core.simulation.home.model.message_topics import MqttMessage
from hassette_core.simulation.home.model.templates import TemplateFunction
from hassette_core.simulation.home.services import ServiceRegistry
from hassette_core.simulation.home.services.added import ServiceHandler, ServiceResponse, added_service
from hassette_core.simulation.home.services.fields import ServiceField, entity_ids
from hassette_core.simulation.home.services.messages import NOTIFY_TARGET
from hassette_core.simulation.home.services.scripts import parse_scene, run_script, trigger_automation
from hassette_core.simulation.home.triggers import fire_trigger


class HomeContents:
    """The states, services, registries, users and messages of a simulated home.

    Args:
        services: The services, with the other parts of the home.

    Attributes:
        core: The states and events of the home: ``core.states``, ``core.change(…)``, ``core.fire(…)``.
        model: Everything else behind the APIs but the services.
        services: The services of the home.
        registries: The areas, floors, labels, devices and registered entities.
        failures: Failures on demand: slow, refusing, deaf, unavailable, unanswered.
        history: The past states. ``history.add(…)`` adds one.
        add_area: Add an area, and return its id; see `Registries.add_area`.
        add_floor: Add a floor, and return its id; see `Registries.add_floor`.
        add_label: Add a label, and return its id; see `Registries.add_label`.
        add_device: Add a device, and return its id; see `Registries.add_device`.
        register_entity: Put an entity into an area, a device and labels; see `Registries.register_entity`.
    """

    def __init__(self, services: ServiceRegistry) -> None:
        self.services = services
        self.model: HomeModel = services.model
        self.core: HomeCore = self.model.core
        self.registries: Registries = self.model.registries
        self.failures: Failures = self.model.failures
        self.history: HomeHistory = self.model.history
        self.add_area = self.registries.add_area
        self.add_floor = self.registries.add_floor
        self.add_label = self.registries.add_label
        self.add_device = self.registries.add_device
        self.register_entity = self.registries.register_entity

    @property
    def version(self) -> str:
        """The version of Home Assistant that the home behaves like. A test can change it."""
        return self.core.version

    @version.setter
    def version(self, version: str) -> None:
        self.core.set_version(version)

    @property
    def calls(self) -> deque[HomeCall]:
        """The newest service calls that the home has accepted, oldest first."""
        return self.model.calls

    @property
    def refused_calls(self) -> deque[HomeCall]:
        """The newest service calls that the home has refused, or that failed, oldest first."""
        return self.model.refused_calls

    @property
    def template(self) -> TemplateFunction | None:
        """A function that renders a template with its variables. None renders a small subset of templates."""
        return self.model.template

    @template.setter
    def template(self, template: TemplateFunction | None) -> None:
        self.model.template = template

    def call(
        self,
        service: str,
        target: str | Iterable[str] | None = None,
        *,
        user: str | HomeUser | None = None,
        parent: HomeContext | None = None,
        return_response: bool = False,
        **data: Any,
    ) -> Any:
        """Call a service in the home, as a person or an automation does. Return the response.

        Example:
            ::

                home.add_user("Alex")
                home.call("light.turn_on", "light.hall", user="Alex", brightness=120)

        Args:
            service: For example ``light.turn_on``.
            target: One entity id, or several.
            user: The name of the user, who is then the user of the context.
            parent: The context that caused the call.
            return_response: Whether to return the response of the service.
            **data: The fields of the service.

        Raises:
            RefusedError: Home Assistant would refuse the call.
            KeyError: There is no such user.
        """
        domain, _, name = service.partition(".")
        if target is not None:
            data = {**data, "entity_id": list(entity_ids(target if isinstance(target, str) else list(target)))}
        context = self.context(user=user, parent=parent)
        return self.services.call(domain, name, data, context, return_response=return_response)

    def context(self, *, user: str | HomeUser | None = None, parent: HomeContext | None = None) -> HomeContext:
        """Return a new context, for ``core.set(…, context=…)`` and ``core.fire(…, context=…)``.

        Args:
            user: The name of the user who is the cause.
            parent: The context that is the cause.
        """
        found = self.model.users.find(user) if isinstance(user, str) else user
        return self.core.context(parent=parent, user=False if found is None else found.id)

    def add_user(self, name: str, *, is_admin: bool = True) -> HomeUser:
        """Add a user. A client can connect with the user's ``token``.

        Raises:
            ValueError: There is a user with this name.
        """
        return self.model.users.add(name, is_admin=is_admin)

    @property
    def knows_targets(self) -> bool:
        """Whether the home knows ``extract_from_target``, as Home Assistant does since 2025.12."""
        return self.model.has_target_command()

    @knows_targets.setter
    def knows_targets(self, knows: bool) -> None:
        self.model.knows_targets = knows

    def unload(self, integration: str) -> None:
        """Remove an integration with all its services, such as ``mqtt``. Its entities stay."""
        self.services.remove_domain(integration)

    def load(self, integration: str) -> None:
        """Load an integration, without services. Home Assistant's event ``component_loaded`` reports it."""
        self.model.integrations.add(integration)
        self.core.fire("component_loaded", {"component": integration})

    def add_trigger(self, platform: str) -> None:
        """Accept triggers of a kind that the home does not have, such as ``knx.telegram``, for `fire_trigger`."""
        self.model.added_triggers.add(platform)
        self.model.integrations.add(platform.partition(".")[0])

    def fire_trigger(self, platform: str, /, **values: Any) -> None:
        """Fire each trigger of a kind whose configuration agrees with the values.

        Args:
            platform: The kind, such as ``mqtt``, ``webhook``, ``conversation`` or ``device``.
            **values: The values of the firing, such as ``topic`` and ``payload``, or ``webhook_id`` and ``json``.

        Raises:
            ValueError: No trigger agrees.
        """
        fire_trigger(self.model, platform, values)

    def add_service(
        self,
        service: str,
        handler: ServiceHandler | None = None,
        *,
        fields: Mapping[str, str | ServiceField] | None = None,
        required: tuple[str, ...] = (),
        response: ServiceResponse = None,
    ) -> None:
        """Add a service, or replace one.

        Example:
            ::

                home.add_service("notify.mobile_app_phone")
                home.add_service("shopping.price", lambda call: {"price": 3}, fields={"item": "text"})

        Args:
            service: For example ``media_player.play_media``.
            handler: Receives each call, and returns the response. An exception fails the call. None makes the obvious
                change: ``turn_on`` sets the state ``on``, ``set_value`` sets the value, and so on. A service that the
                home has already stays as it is.
            fields: The kind of each field: ``text``, ``number``, ``boolean``, ``entity``, ``duration``, ``date``,
                ``time``, ``datetime``, ``select`` or ``object``. None accepts any fields.
            required: The names of the fields that a call must contain.
            response: The response for callers that request one, or ``"optional"``, ``"only"``, ``"none"``.

        Raises:
            ValueError: The name is not of the form ``domain.service``, the handler is an ``async def``, or a kind is
                unknown.
        """
        domain, _, name = service.lower().partition(".")
        if not domain or not name or "." in name:
            raise ValueError(f"service must be of the form domain.service, got {service!r}")
        if handler is None and fields is None and response is None:
            if self.services.has(domain, name):
                return
            if domain == "notify":
                self.services.add(domain, name, NOTIFY_TARGET)
                return
        self.services.add(domain, name, added_service(domain, name, handler, fields, required, response))

    def add_scene(self, name: str, entities: Mapping[str, Any]) -> str:
        """Add a scene, and return its entity id.

        Args:
            name: For example ``movie``.
            entities: The state of each entity, or an object with ``state`` and attributes:
                ``{"light.hall": {"state": "on", "brightness": 40}}``.
        """
        entity_id = f"scene.{name}"
        self.model.scenes[entity_id] = parse_scene(entities)
        self.core.set(entity_id, "unknown", {"entity_id": list(entities), "friendly_name": name.replace("_", " ")})
        return entity_id

    def add_script(
        self,
        name: str,
        handler: ServiceHandler | None = None,
        *,
        fields: Mapping[str, str | ServiceField] | None = None,
        required: tuple[str, ...] = (),
    ) -> str:
        """Add a script, which is also the service ``script.<name>``, and return its entity id.

        Args:
            name: For example ``good_night``.
            handler: Receives each call, and returns the response of the script. None does nothing.
            fields: The kind of each field. None accepts any fields.
            required: The names of the fields that a call must contain.
        """
        entity_id = f"script.{name}"
        attributes = {"friendly_name": name.replace("_", " "), "last_triggered": None, "mode": "single", "current": 0}
        self.core.set(entity_id, "off", attributes)

        def run(call: HomeCall) -> Any:
            return run_script(self.core, entity_id, handler or (lambda _call: None), call)

        service = added_service("script", name, run, fields, required, "optional")
        self.services.add("script", name, replace(service, shows_target=False))
        return entity_id

    def add_automation(
        self, name: str, action: Callable[[HomeContext], object], *, on_change_of: str | None = None
    ) -> str:
        """Add an automation, and return its entity id. ``automation.trigger`` runs it, too.

        Args:
            name: For example ``porch``.
            action: Called with the context of the run, which the changes of the automation should have.
            on_change_of: The entity whose changes of state trigger the automation while it is on.
        """
        entity_id = f"automation.{name}"
        attributes = {"friendly_name": name.replace("_", " "), "id": name, "last_triggered": None, "mode": "single"}
        self.core.set(entity_id, "on", attributes)

        def on_triggered(event: Mapping[str, Any]) -> None:
            if event["data"].get("entity_id") == entity_id:
                action(HomeContext(**event["context"]))

        def on_change(changed: str, old: Json | None, new: Json | None, cause: HomeContext) -> None:
            automation = self.core.entities.get(entity_id)
            before, after = (None if state is None else state["state"] for state in (old, new))
            if changed == on_change_of and before != after and automation is not None and automation.state == "on":
                context = self.core.context(parent=cause)
                trigger_automation(self.core, entity_id, context, source=f"state of {on_change_of}")

        self.core.listen("automation_triggered", on_triggered)
        if on_change_of is not None:
            self.core.listen_to_changes(on_change)
        return entity_id

    def add_calendar_event(
        self,
        calendar: str,
        summary: str,
        start: datetime | date,
        end: datetime | date,
        *,
        description: str = "",
        location: str = "",
    ) -> None:
        """Add an event to a calendar. The calendar is ``on`` from the start to the end of the event.

        Raises:
            ValueError: ``end`` is not after ``start``, a time is naive, or one is a time and the other a date.
        """
        self.model.calendars.add(calendar, summary, start, end, description=description, location=location)

    def mqtt(self, topic: str, payload: object, *, retain: bool = False) -> None:
        """Let a device publish an MQTT message."""
        self.model.topics.publish(MqttMessage(topic, str(payload), retain=retain))

    def webhook(self, webhook_id: str, json: Any = None, *, query: Mapping[str, str] | None = None) -> bool:
        """Send a request to a web hook. Return False if no trigger listens to it."""
        return self.model.call_webhook(webhook_id, {"json": json, "query": dict(query or {})})

    def sentence(self, text: str) -> None:
        """Let a person speak a sentence to the voice assistant."""
        self.core.fire("simulated_sentence", {"text": text})

    def device_event(self, device_id: str, event_type: str, subtype: str | None = None) -> None:
        """Fire the device triggers of a device, such as ``device_event(remote, "double_press", "button_1")``."""
        subtypes = {} if subtype is None else {"subtype": subtype}
        self.core.fire("simulated_device_event", {"device_id": device_id, "type": event_type, **subtypes})
