"""`TopicIndex`: find the listeners of a topic quickly, for any number of listeners."""

import difflib
import re
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from hassette_core.entities import Matches, glob_matcher, is_glob
from hassette_core.errors import RegistrationError

_SET = re.compile(r"\[[^\]]+\]")
MAX_EVENT_TYPE_CHARACTERS = 64
"""Home Assistant does not fire an event with a longer type."""

_DOMAINS_OF_ENTITIES = (
    *("alarm_control_panel", "automation", "binary_sensor", "button", "camera", "climate", "cover", "device_tracker"),
    *("fan", "humidifier", "input_boolean", "input_button", "input_datetime", "input_number", "input_select"),
    *("input_text", "lawn_mower", "light", "lock", "media_player", "number", "person", "scene", "script", "select"),
    *("sensor", "siren", "sun", "switch", "update", "vacuum", "valve", "water_heater", "weather", "zone"),
)
"""Domains of entities. An event type may contain a dot, such as ``timer.finished``, but does not start with these."""
_ENTITY = re.compile(rf"(?:{'|'.join(_DOMAINS_OF_ENTITIES)})\.[a-z0-9_*?]+")
_HOME_EVENTS = {
    *("area_registry_updated", "automation_reloaded", "automation_triggered", "call_service", "component_loaded"),
    *("core_config_updated", "device_registry_updated", "entity_registry_updated", "homeassistant_close"),
    *("homeassistant_final_write", "homeassistant_start", "homeassistant_started", "homeassistant_stop"),
    *("logbook_entry", "mobile_app_notification_action", "scene_reloaded", "script_started", "service_registered"),
    *("service_removed", "state_changed", "state_reported", "tag_scanned", "themes_updated", "user_added", "zha_event"),
}
"""Events of Home Assistant that apps often name."""
_FRAMEWORK_EVENTS = tuple(
    f"hassette_{kind}"
    for kind in (
        *("homeassistant_started", "homeassistant_stopped", "connection_lost", "connection_restored", "events_lost"),
        *("app_started", "app_failed", "app_stopped", "app_reloaded", "app_reload_failed", "app_error"),
        *("app_task_failed", "app_exit_refused", "trigger_not_attached", "trigger_refused", "trigger_accepted"),
        *("service_waiting", "service_starting", "service_started", "service_partly_started", "service_degraded"),
        *("service_crashed", "service_restarted", "service_exhausted", "service_stopping", "service_stopped"),
        *("config_reload_failed", "storage_damaged", "storage_failed", "scheduler_file_damaged"),
        *("scheduler_file_failed", "timer_dropped", "loop_blocked", "loop_paused", "cancellation_ignored"),
    )
)
"""All events of the framework. A listener of a similar type is refused, so none may be missing."""

_Listener = TypeVar("_Listener")


class TopicIndex(Generic[_Listener]):
    """Listeners by topic. Exact topics are in a dictionary, and globs are grouped by their literal prefix.

    The first search for a topic tries each distinct glob of the topic's group, and each distinct glob without a group.
    A later search for the same topic is a single dictionary access.

    Args:
        group: Function that returns the group of a topic or glob. The group is a literal prefix, such as the domain of
            an entity id. For a glob that may match topics of any group, the function returns an empty string.
        matcher: Function that takes a glob, and returns a function that compares a topic with this glob. The index
            calls it once for each distinct glob.
        max_cached: Number of topics whose listeners are cached. When the cache is full, it is cleared.
        order: Function that returns the place of a listener. The found listeners are sorted by it. Without the
            function, the listeners of the exact topic come first.
    """

    def __init__(
        self,
        group: Callable[[str], str],
        *,
        matcher: Callable[[str], Matches] = glob_matcher,
        max_cached: int = 10_000,
        order: Callable[[_Listener], tuple[int, int]] | None = None,
    ) -> None:
        self._group = group
        self._order = order
        self._matcher = matcher
        self._max_cached = max_cached
        self._exact: dict[str, list[_Listener]] = {}
        self._globs: dict[str, dict[str, tuple[Matches, list[_Listener]]]] = {}
        self._resolved: dict[str, tuple[_Listener, ...]] = {}

    def add(self, topic: str, listener: _Listener) -> None:
        """Add a listener to a topic or glob."""
        if not is_glob(topic):
            self._exact.setdefault(topic, []).append(listener)
            self._resolved.pop(topic, None)
            return
        globs = self._globs.setdefault(self._group(topic), {})
        if topic not in globs:
            globs[topic] = (self._matcher(topic), [])
        globs[topic][1].append(listener)
        self._resolved.clear()

    def remove(self, topic: str, listener: _Listener) -> None:
        """Remove a listener.

        Raises:
            LookupError, ValueError: The listener is not in the index.
        """
        if not is_glob(topic):
            self._exact[topic].remove(listener)
            if not self._exact[topic]:
                del self._exact[topic]
            self._resolved.pop(topic, None)
            return
        group = self._group(topic)
        _, listeners = self._globs[group][topic]
        listeners.remove(listener)
        if not listeners:
            del self._globs[group][topic]
        self._resolved.clear()

    def find(self, topic: str) -> tuple[_Listener, ...]:
        """Return the listeners of a topic, in their order.

        A listener with several topics and globs that match is returned once.
        """
        found = self._resolved.get(topic)
        if found is None:
            if len(self._resolved) >= self._max_cached:
                self._resolved.clear()
            found = self._resolved[topic] = self._resolve(topic)
        return found

    def _resolve(self, topic: str) -> tuple[_Listener, ...]:
        found = list(self._exact.get(topic, ()))
        for group in dict.fromkeys((self._group(topic), "")):
            for matches, listeners in self._globs.get(group, {}).values():
                if matches(topic):
                    found += listeners
        distinct = tuple(dict.fromkeys(found))
        return distinct if self._order is None else tuple(sorted(distinct, key=self._order))


def any_group(_: str) -> str:
    """Put all topics into one group, because event types have no common prefix."""
    return ""


def check_event_type(event_type: object) -> str:
    """Check an event type or glob, and return it.

    Raises:
        RegistrationError: The value can match no event, because it is not a string, is empty, is longer than Home
            Assistant allows, names an entity, or is a misspelt type. The message contains a correction.
    """
    if not isinstance(event_type, str) or not event_type:
        hint = ""
        if isinstance(event_type, Collection) and not isinstance(event_type, str | bytes):
            hint = "; register one listener for each type, or use a glob"
        raise RegistrationError(
            f"event_type must be an event type, such as 'call_service', or a glob, such as 'mobile_app_*', got"
            f" {event_type!r}{hint}"
        )
    if _ENTITY.fullmatch(event_type):
        raise RegistrationError(
            f"event_type must be an event type, got the entity {event_type!r}; use on_state_change, or wait for"
            f" state_is({event_type!r}, …).{_as_glob(event_type)}"
        )
    if (known := _misspelt(event_type)) is not None:
        raise RegistrationError(
            f"event_type must be the type of an event, got {event_type!r}; did you mean {known!r}?"
            f"{_as_glob(event_type)}"
        )
    shortest = len(_SET.sub("?", event_type).replace("*", ""))
    if shortest > MAX_EVENT_TYPE_CHARACTERS:
        raise RegistrationError(
            f"event_type must have at most {MAX_EVENT_TYPE_CHARACTERS} characters, as every event type of Home"
            f" Assistant has, got {shortest}: {event_type!r}"
        )
    return event_type


def _as_glob(event_type: str) -> str:
    """Return how to listen to an event whose type only looks wrong. No check refuses a glob."""
    glob = f"[{event_type[0]}]{event_type[1:]}"
    return f" If an event really has this type, write the glob {glob!r}"


def _misspelt(event_type: str) -> str | None:
    """Return the known event type that a similar text means. None for a known type and for a type of an integration."""
    plain = re.sub(r"[^a-z0-9]+", "_", event_type.strip().lower())
    if plain in _HOME_EVENTS:
        return None if plain == event_type else plain
    if not plain.startswith("hassette_") or event_type in _FRAMEWORK_EVENTS or is_glob(event_type):
        return None
    return next(iter(difflib.get_close_matches(plain, _FRAMEWORK_EVENTS, 1, cutoff=0.9)), None)
