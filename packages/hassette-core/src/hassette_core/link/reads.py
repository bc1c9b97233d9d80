"""The requests that only read, and the guard that stops all others of an app that rehearses."""

import json
import posixpath
from typing import Any, cast
from urllib.parse import unquote

from hassette_core.containment import may_change_the_home, why_refused
from hassette_core.errors import RehearsalError

READS = frozenset(
    {
        *("auth/current_user", "config/auth/list", "get_config", "get_panels", "get_services", "get_states", "ping"),
        *("render_template", "supported_features", "test_condition", "validate_config"),
        *("subscribe_condition", "subscribe_entities", "subscribe_events", "subscribe_trigger", "unsubscribe_events"),
        *("condition_platforms/subscribe", "trigger_platforms/subscribe"),
        *("entity/source", "explain_target", "extract_from_target", "integration/setup_info", "integration/wait"),
        *("manifest/get", "manifest/list", "search/related"),
        # The registries.
        *("config/area_registry/list", "config/category_registry/list", "config/device_registry/list"),
        *("config/device_registry/list_composite_splits", "config/entity_registry/get"),
        *("config/entity_registry/get_entries", "config/entity_registry/list"),
        *("config/entity_registry/list_for_display", "config/floor_registry/list", "config/label_registry/list"),
        *("config_entries/get", "config_entries/get_single", "config_entries/subscribe"),
        *("person/list", "person/subscribe", "tag/list", "zone/list"),
        # The helpers and their settings.
        *("counter/list", "input_boolean/list", "input_button/list", "input_datetime/list", "input_number/list"),
        *("input_select/list", "input_text/list", "schedule/list", "timer/list"),
        # The past.
        *("history/history_during_period", "history/stream", "logbook/event_stream", "logbook/get_action_calls"),
        *("logbook/get_events", "recorder/get_statistics_metadata", "recorder/info", "recorder/list_statistic_ids"),
        *("recorder/statistic_during_period", "recorder/statistics_during_period"),
        *("system_log/list", "trace/contexts", "trace/get", "trace/list"),
        # Single integrations.
        *("automation/config", "blueprint/list", "calendar/event/subscribe", "camera/capabilities"),
        *("device_automation/action/capabilities", "device_automation/action/list"),
        *("device_automation/condition/capabilities", "device_automation/condition/list"),
        *("device_automation/trigger/capabilities", "device_automation/trigger/list"),
        *("energy/fossil_energy_consumption", "energy/get_prefs", "energy/info", "energy/solar_forecast"),
        *("frontend/get_icons", "frontend/get_themes", "frontend/get_translations", "frontend/get_user_data"),
        *("lovelace/config", "lovelace/dashboards/list", "lovelace/info", "lovelace/resources"),
        *("media_player/browse_media", "media_source/browse_media", "media_source/resolve_media"),
        *("mqtt/device/debug_info", "mqtt/subscribe", "network", "persistent_notification/get"),
        *("persistent_notification/subscribe", "repairs/get_issue_data", "repairs/list_issues", "script/config"),
        *("sensor/device_class_convertible_units", "sensor/numeric_device_classes", "system_health/info"),
        *("todo/item/list", "todo/item/subscribe", "weather/convertible_units", "weather/subscribe_forecast"),
    }
)
"""The ``type`` of each command that only reads or subscribes. A command that is not in this list counts as a change."""


def reads_only(method: str, path: str) -> bool:
    """Return whether a REST request only reads. A webhook may act, whatever the method."""
    # The form in which the path is sent: without escapes, and without the parts ``..``.
    plain = posixpath.normpath(unquote(path.partition("?")[0]))
    if plain == "/api/template":  # with the method POST
        return True
    return method.upper() == "GET" and not plain.startswith("/api/webhook/")


def check_command(action: str, command: object) -> None:
    """Check that the code that runs may send a command.

    Raises:
        RehearsalError: The command is a change, and the code belongs to an app that rehearses.
    """
    if not may_change_the_home() and command not in READS:
        raise RehearsalError(action, why_refused())


def check_request(method: str, path: str) -> None:
    """Check that the code that runs may send a REST request.

    Raises:
        RehearsalError: The request is a change, and the code belongs to an app that rehearses.
    """
    if not may_change_the_home() and not reads_only(method, path):
        raise RehearsalError(f"send {method} {path}", why_refused())


def check_text(text: object) -> None:
    """Check that the code that runs may send a text on the WebSocket.

    Raises:
        RehearsalError: The text is a change, or is not readable, and the code belongs to an app that rehearses.
    """
    if may_change_the_home():
        return
    try:
        parsed: Any = json.loads(cast("str | bytes", text))
    except (TypeError, ValueError):
        parsed = None
    messages = cast("list[Any]", parsed) if isinstance(parsed, list) else [parsed]
    for message in messages or [None]:
        command = cast("dict[str, Any]", message).get("type") if isinstance(message, dict) else None
        check_command("send a message", command if isinstance(command, str) else None)
