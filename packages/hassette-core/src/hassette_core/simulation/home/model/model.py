"""`HomeModel`: all parts of the simulated home behind its APIs, except the services."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.model.calendars import Calendars, TodoLists
from hassette_core.simulation.home.model.derived_states import DerivedStates
from hassette_core.simulation.home.model.failures import Failures
from hassette_core.simulation.home.model.history import HomeHistory
from hassette_core.simulation.home.model.message_topics import MessageTopics
from hassette_core.simulation.home.model.registries import Registries
from hassette_core.simulation.home.model.template_syntax import syntax_problem
from hassette_core.simulation.home.model.templates import TemplateFunction, render_template
from hassette_core.simulation.home.model.users import Users

MAX_CALLS = 10_000
TIME_ZONE = "Europe/Amsterdam"
LOCATION = (52.37, 4.89, 2.0)
"""Latitude and longitude in degrees, and elevation in metres."""
# Integrations of the home that have no services.
_INTEGRATIONS = (
    *("api", "binary_sensor", "conversation", "device_automation", "history", "person", "recorder", "sensor", "sun"),
    *("tag", "template", "webhook", "websocket_api", "zone"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeCall:
    """A service call that the home has received.

    Attributes:
        domain: For example ``light``.
        service: For example ``turn_on``.
        data: The fields of the call, as the client sent them, without the target.
        target: The target of the call by key, such as ``entity_id``. Each value is a list.
        entity_ids: The entities of the home that the target selects.
        context: The context of the call. Its ``user_id`` names the user.
        time: The time of the call.
        return_response: Whether the caller requests a response.
        error: The cause of the failure; None for a call that the home has accepted.
    """

    domain: str
    service: str
    data: Mapping[str, Any]
    target: Mapping[str, list[str]]
    entity_ids: tuple[str, ...]
    context: HomeContext
    time: datetime
    return_response: bool = False
    error: str | None = None


class HomeModel:
    """The parts of the simulated home behind its APIs.

    Args:
        core: The states and events of the home.
        token: The access token of the first user.

    Attributes:
        core: The states and events of the home.
        registries: Areas, floors, labels, devices and registered entities.
        users: The users and their access tokens.
        history: The past states.
        failures: The failures on demand.
        calendars: The events of calendars.
        todo_lists: The items of to-do lists.
        topics: The MQTT messages.
        calls: The newest service calls that the home has accepted, oldest first.
        refused_calls: The newest service calls that were refused or failed, oldest first.
        notifications: The persistent notifications by id.
        integrations: The loaded integrations. Services add their domain.
        unloaded: The integrations that the home knows, but that are no longer loaded.
        scenes: The states of each scene: entity id to state and attributes.
        webhooks: The callbacks of triggers by webhook id.
        time_zone: The time zone.
        latitude: In degrees, north positive.
        longitude: In degrees, east positive.
        elevation: In metres above sea level.
        attached_triggers: The configuration of each attached trigger, and the function that fires it.
        added_triggers: The kinds of triggers that only `fire_trigger` fires, such as ``knx.telegram``.
        accepts_all_triggers: Whether the home also accepts triggers that Home Assistant would refuse.
        state: ``RUNNING``; during the startup ``NOT_RUNNING`` or ``STARTING``.
        template: Renders templates. None renders the subset of `render_template`.
        knows_targets: Whether the home knows ``extract_from_target``. By default it depends on the version.
        restart: Called by ``homeassistant.restart`` and ``homeassistant.stop``.
    """

    def __init__(self, core: HomeCore, token: str) -> None:
        self.core = core
        self.registries = Registries(core)
        self.users = Users(core, token)
        self.history = HomeHistory(core)
        self.failures = Failures(core)
        self.calendars = Calendars(core, ZoneInfo(TIME_ZONE))
        self.todo_lists = TodoLists(core)
        self.topics = MessageTopics()
        self.calls: deque[HomeCall] = deque(maxlen=MAX_CALLS)
        self.refused_calls: deque[HomeCall] = deque(maxlen=MAX_CALLS)
        self.notifications: dict[str, Json] = {}
        self.integrations = set(_INTEGRATIONS)
        self.unloaded: set[str] = set()
        self.scenes: dict[str, dict[str, tuple[str, Json]]] = {}
        self.webhooks: dict[str, Callable[[Json], None]] = {}
        self.attached_triggers: list[tuple[Json, Callable[[Json, HomeContext | None], None]]] = []
        self.added_triggers: set[str] = set()
        self.accepts_all_triggers = False
        self.state = "RUNNING"
        self.time_zone = TIME_ZONE
        self.latitude, self.longitude, self.elevation = LOCATION
        self.template: TemplateFunction | None = None
        self.knows_targets: bool | None = None
        self.restart: Callable[[], None] = lambda: None
        DerivedStates(core)

    def render(self, template: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Render a template.

        Raises:
            RefusedError: The template is invalid, or the home cannot render it.
        """
        if self.template is not None:
            return self.template(template, variables or {})
        if (problem := syntax_problem(template)) is not None:
            raise RefusedError("template_error", f"TemplateSyntaxError: {problem}")
        return render_template(self.core, template, variables or {})

    def refuse(self, call: HomeCall, error: Exception) -> None:
        """Move a call from the accepted ones to the refused ones, because it failed."""
        if self.calls and self.calls[-1] is call:  # the usual case, without a search
            self.calls.pop()
        elif call in self.calls:
            self.calls.remove(call)
        self.refused_calls.append(replace(call, error=str(error)))

    def call_webhook(self, webhook_id: str, request: Json) -> bool:
        """Pass a request to the trigger of a web hook. Return False if there is no such trigger."""
        hook = self.webhooks.get(webhook_id)
        if hook is not None:
            hook(request)
        return hook is not None

    def has_target_command(self) -> bool:
        """Return whether the home knows ``extract_from_target``."""
        return self.core.since("2025.12") if self.knows_targets is None else self.knows_targets

    def configuration(self) -> Json:
        """Return the answer to ``get_config``."""
        configuration: Json = {
            "allowlist_external_dirs": [],
            "allowlist_external_urls": [],
            "components": sorted(self.integrations),
            "config_dir": "/config",
            "config_source": "storage",
            "country": "NL",
            "currency": "EUR",
            "debug": False,
            "elevation": round(self.elevation),
            "external_url": None,
            "internal_url": None,
            "language": "en",
            "latitude": self.latitude,
            "location_name": "Simulated home",
            "longitude": self.longitude,
            "radius": 100,
            "recovery_mode": False,
            "safe_mode": False,
            "state": self.state,
            "time_zone": self.time_zone,
            "unit_system": {
                "length": "km",
                "accumulated_precipitation": "mm",
                "area": "m²",
                "mass": "g",
                "pressure": "Pa",
                "temperature": "°C",
                "volume": "L",
                "wind_speed": "m/s",
            },
            "version": self.core.version,
            "whitelist_external_dirs": [],
        }
        if self.core.since("2026.9"):
            configuration["logging"] = {}
        return configuration
