"""Names of AppDaemon, hassette 0.60 and pyscript, and the names of this framework that replace them.

`AnyApp` and `AppComponent` add a replacement to the error about a missing attribute, ``hassette check`` adds one to a
finding, and the import of an app adds one to the error about a missing module or decorator.
"""

from typing import Any

_START = "on_initialize"
_STOP = "on_shutdown"
HOOKS = {
    # AppDaemon
    "initialize": _START,
    "terminate": _STOP,
    # hassette 0.60
    **dict.fromkeys(("before_initialize", "after_initialize"), _START),
    **dict.fromkeys(("before_initialize_sync", "on_initialize_sync", "after_initialize_sync"), _START),
    **dict.fromkeys(("before_shutdown", "after_shutdown"), _STOP),
    **dict.fromkeys(("before_shutdown_sync", "on_shutdown_sync", "after_shutdown_sync"), _STOP),
    # Home Assistant
    **dict.fromkeys(("async_setup", "async_setup_entry", "async_added_to_hass"), _START),
    **dict.fromkeys(("async_unload_entry", "async_will_remove_from_hass"), _STOP),
    # Names that a reader of another framework may expect
    **dict.fromkeys(("async_initialize", "on_init", "on_load", "on_ready", "on_setup", "on_start"), _START),
    **dict.fromkeys(("on_started", "on_startup"), _START),
    **dict.fromkeys(("async_terminate", "on_close", "on_exit", "on_stop", "on_stopped", "on_terminate"), _STOP),
    **dict.fromkeys(("on_unload",), _STOP),
    **dict.fromkeys(("on_exception", "on_failure"), "on_error"),
}
"""Methods that another framework calls, or whose names suggest that this framework calls them, and the right names."""

ATTRIBUTES = {
    "AD": "self.api",
    "add_entity": "self.api.set_state",
    "add_namespace": "self.storage",
    "android_tts": "self.api.notify",
    "anyone_home": 'state_is("person.*", "home", match="any")',
    "app_config": "self.config",
    "app_dir": "app_dir of [hassette]",
    "area_devices": "self.home.devices",
    "area_entities": "self.home.area(…).entities",
    "area_id": "self.home.area_of(…).id",
    "area_name": "self.home.area_of(…).name",
    "args": "self.config",
    "cache": "self.storage",
    "call_service_async": "self.api.call_service",
    "cancel_listen_event": "cancel() of the subscription",
    "cancel_listen_log": "cancel() of the subscription",
    "cancel_listen_state": "cancel() of the subscription",
    "cancel_sequence": "cancel() of the job",
    "cancel_timer": "cancel() of the job",
    "check_for_entity": "… in self.states",
    "config_dir": "self.data_dir",
    "convert_utc": "datetime.fromisoformat",
    "create_task": "asyncio.create_task",
    "date": "self.time.today",
    "datetime": "self.time.now",
    "depends_on_module": "import",
    "deregister_endpoint": "cancel() of the subscription",
    "deregister_route": "cancel() of the subscription",
    "device_attr": "self.home.device_of",
    "device_entities": "self.home.device(…).entities",
    "device_id": "self.home.device_of(…).id",
    "entities": "self.states[…]",
    "entity_exists": "… in self.states",
    "error": "self.logger.error",
    "everyone_home": 'state_is("person.*", "home")',
    "friendly_name": "self.states[…].attributes",
    "get_ad_api": "self.api",
    "get_app": "self.apps.get",
    "get_callback_entries": "the page of the app",
    "get_calendar_events": 'self.api.call_service("calendar.get_events", …)',
    "get_entity": "self.states[…]",
    "get_entity_callbacks": "the page of the app",
    "get_error_log": "self.logger",
    "get_main_log": "self.logger",
    "get_now": "self.time.now",
    "get_now_ts": "self.time.now().timestamp()",
    "get_plugin_api": "self.bus.on_trigger",
    "get_plugin_config": 'self.api.command("get_config")',
    "get_scheduler_entries": "self.scheduler.jobs",
    "get_service_info": 'self.api.command("get_services")',
    "get_state": "self.states[…]",
    "get_timezone": "self.time.zone",
    "get_tracker_details": 'self.states.domain("device_tracker")',
    "get_tracker_state": "self.states[…]",
    "get_trackers": 'self.states.domain("device_tracker")',
    "get_tz_offset": "self.time.now().utcoffset()",
    "get_user_log": "self.logger",
    "global_vars": "a variable of a shared module",
    "hass": "self.states and self.api",
    "hassette": "self.api, self.bus and self.scheduler",
    "info_listen_event": "the subscription",
    "info_listen_state": "the subscription",
    "info_timer": "next_run of the job",
    "instance_name": "self.instance",
    "is_client_connected": "self.bus.on_connection_lost",
    "label_entities": "self.home.label(…).entities",
    "last_pressed": "self.states[…].state",
    "list_services": 'self.api.command("get_services")',
    "listen_event": "self.bus.on_event",
    "listen_log": "self.bus.on_app_error",
    "listen_notification_action": "self.bus.on_event",
    "listen_state": "self.bus.on_state_change",
    "log": "self.logger.info",
    "mqtt_publish": 'self.api.call_service("mqtt.publish", …)',
    "mqtt_subscribe": "self.bus.on_trigger",
    "mqtt_unsubscribe": "cancel() of the subscription",
    "name": "self.instance",
    "noone_home": '~state_is("person.*", "home", match="any")',
    "notify_android": "self.api.notify",
    "notify_ios": "self.api.notify",
    "now_is_between": "self.time.is_between",
    "parse_datetime": "self.time.parse",
    "parse_time": "self.time.parse",
    "parse_utc_string": "datetime.fromisoformat",
    "persistent_notification": "self.api.notify",
    "press_button": 'self.api.call_service("input_button.press", …)',
    "process_conversation": 'self.api.call_service("conversation.process", …)',
    "register_constraint": "a function or a Condition in where",
    "register_endpoint": "self.bus.on_trigger",
    "register_route": "self.bus.on_trigger",
    "register_service": "a method, and self.apps.get in the other app",
    "remove_entity": "self.api.remove_state",
    "reset_timer": "self.scheduler.run_in with replace=True",
    "run_at": "self.scheduler.run_once",
    "run_in_executor": "asyncio.to_thread",
    "run_in_thread": "asyncio.to_thread",
    "run_script": "self.api.turn_on",
    "run_sequence": "a method with await self.time.sleep",
    "select_first": 'self.api.call_service("input_select.select_first", …)',
    "select_last": 'self.api.call_service("input_select.select_last", …)',
    "select_next": 'self.api.call_service("input_select.select_next", …)',
    "select_option": 'self.api.call_service("input_select.select_option", …)',
    "select_previous": 'self.api.call_service("input_select.select_previous", …)',
    "set_log_level": "log_level of the app",
    "set_options": 'self.api.call_service("input_select.set_options", …)',
    "set_textvalue": 'self.api.call_service("input_text.set_value", …)',
    "set_value": 'self.api.call_service("input_number.set_value", …)',
    "sleep": "self.time.sleep",
    "split_device_list": "str.split",
    "split_entity": 'str.split(".")',
    "submit_to_executor": "asyncio.to_thread",
    "sun_down": "self.time.sun.is_up",
    "sun_up": "self.time.sun.is_up",
    "sunrise": "self.time.sun.next_sunrise",
    "sunset": "self.time.sun.next_sunset",
    "task_bucket": "asyncio.create_task",
    "timer_running": "active of the job",
    "unique_name": "self.app_key and self.instance",
    **dict.fromkeys(
        ("media_mute", "media_pause", "media_play", "media_play_pause", "media_seek", "media_set_volume"),
        "self.api.call_service",
    ),
    **dict.fromkeys(("backup_full", "backup_partial", "restore_full", "restore_partial"), "self.api.call_service"),
    **dict.fromkeys(("config_model", "plugin_config"), "self.config"),
    **dict.fromkeys(("constrain_input_boolean", "constrain_input_select"), "state_is in where"),
    **dict.fromkeys(("constrain_person", "constrain_presence"), 'state_is("person.*", "home") in where'),
    **dict.fromkeys(("namespace", "get_namespace", "set_namespace"), "one process for each Home Assistant"),
    **dict.fromkeys(("list_namespaces", "namespace_exists", "remove_namespace", "save_namespace"), "self.storage"),
    **dict.fromkeys(("get_app_pin", "get_pin_thread", "set_app_pin", "set_pin_thread"), 'mode="queued"'),
    **dict.fromkeys(("label_areas", "label_devices", "label_id", "label_name"), "self.home.labels"),
    **dict.fromkeys(("start_app", "stop_app", "restart_app", "reload_apps"), "enabled in hassette.toml"),
    "deregister_constraint": "a function or a Condition in where",
    "deregister_service": "a method, and self.apps.get in the other app",
    "get_ad_version": "hassette --version",
    "get_app_python_dependencies": "import",
    "get_thread_info": "the page of the runs in progress",
    "integration_entities": "self.home.entity(…).integration",
    "is_device_attr": "self.home.device_of",
    "ping": "self.bus.on_connection_lost",
    "reload_conversation": 'self.api.call_service("conversation.reload", …)',
    "set_error_level": "log_level of the app",
    "set_production_mode": "reload = false in hassette.toml",
    "time_since_last_press": "self.states[…].state",
}
"""Attributes of an app in other frameworks, and their replacements. A missing attribute that a component of an app
has, such as ``run_in``, has the replacement ``self.scheduler.run_in``."""

_CALL = "self.api.call_service"
_JOBS = "self.scheduler.jobs"
MEMBERS: dict[str, dict[str, str]] = {
    "api": {
        "delete_entity": "self.api.remove_state",
        "get_attribute": "self.states[…].attributes",
        "get_entity_or_none": "self.states.get",
        "get_panels": 'self.api.command("get_panels")',
        "get_services": 'self.api.command("get_services")',
        "get_state_or_none": "self.states.get",
        "get_state_raw": "self.states[…]",
        "get_state_value": "self.states[…].state",
        "helpers": "self.api.command",
        "get_calendars": 'self.states.domain("calendar")',
        "get_config": 'self.api.command("get_config")',
        "get_histories": "self.api.get_history",
        "sync": "self.api of a SyncApp",
        **dict.fromkeys(("async_call", "call", "execute_service", "service"), _CALL),
        **dict.fromkeys(("ws_send_and_wait", "ws_send_json"), "self.api.command"),
        **dict.fromkeys(
            ("delete_rest_request", "get", "get_rest_request", "post", "post_rest_request", "rest_request"),
            "self.api.rest",
        ),
    },
    "apps": {"call": "self.apps.get", "get_all": "self.apps.instances", "keys": "list(self.apps)"},
    "bus": {
        "on": "self.bus.on_event",
        "on_component_loaded": 'self.bus.on_event(…, "component_loaded")',
        "on_error": "on_error of the app, or on_error=…",
        "on_homeassistant_restart": "self.bus.on_homeassistant_start",
        "on_service_registered": 'self.bus.on_event(…, "service_registered")',
        "on_time": "self.scheduler.run_daily",
        "on_websocket_connected": "self.bus.on_connection_restored",
        "on_websocket_disconnected": "self.bus.on_connection_lost",
        "remove_all_listeners": "self.bus.cancel_all",
        "trigger": "self.bus.on_trigger",
        **dict.fromkeys(("listen", "subscribe"), "self.bus.on_event"),
        **dict.fromkeys(("fire", "publish", "send"), "self.bus.emit"),
        **dict.fromkeys(("on_change", "on_state", "state_changes", "state_all_changes"), "self.bus.on_state_change"),
        **dict.fromkeys(("cancel", "remove_listener", "unsubscribe"), "cancel() of the subscription"),
        **dict.fromkeys(
            ("add_listener", "get_listeners"),
            "the subscriptions, which the app can keep in a list",
        ),
    },
    "scheduler": {
        "add_job": "the method for the schedule, such as self.scheduler.run_cron",
        "list_jobs": _JOBS,
        "register": "the method for the schedule, such as self.scheduler.run_cron",
        "remove_group": "self.scheduler.group(…).cancel()",
        "run_monthly": "self.scheduler.run_cron",
        "schedule": "self.scheduler.run_daily, which also takes an entity",
        "schedule_cron": "self.scheduler.run_cron",
        "run_weekly": "self.scheduler.run_daily with days=…",
        **dict.fromkeys(("clear", "remove_all_jobs"), "self.scheduler.cancel_all"),
        **dict.fromkeys(("cancel", "cancel_job", "remove", "remove_job"), "cancel() of the job"),
        **dict.fromkeys(("call_later", "run_after", "schedule_in"), "self.scheduler.run_in"),
    },
    "states": {
        "all": "self.states.values",
        "anybody_home": 'state_is("person.*", "home", match="any")',
        "is_state": "self.states[…].state == …",
        "set": "self.api.set_state",
        "state": "self.states[…].state",
    },
    "time": {"today_at": "self.time.parse", "tz": "self.time.zone", "utcnow": "self.time.now"},
}
"""Members of a component of an app, such as the bus, that a reader of another framework may expect, and the
replacements. A member is looked up here first, and then in `ATTRIBUTES`."""

components: dict[str, type[Any]] = {}
"""The class of each component of an app, by the attribute of the app. `AppComponent` fills it."""

_DERIVE = "derive the app from App or SyncApp of hassette_core"
_MODULES = {
    **dict.fromkeys(("appdaemon", "hassapi", "adapi", "adbase"), f"{_DERIVE}, see the page Moving from AppDaemon"),
    "mqttapi": f"{_DERIVE}, and listen with self.bus.on_trigger, see the page Moving from AppDaemon",
    "globals": "AppDaemon's global variables are variables of a module in app_dir here",
    "hassette": f"{_DERIVE}, see the page Moving from hassette 0.60",
    "homeassistant": "an app runs outside of Home Assistant: use self.states and self.api",
}
"""Modules of other frameworks, and the replacement."""
_PYSCRIPT = {
    **dict.fromkeys(("state_trigger", "state"), "self.bus.on_state_change and self.states of an App"),
    "event_trigger": "self.bus.on_event of an App",
    "time_trigger": "self.scheduler of an App",
    **dict.fromkeys(("mqtt_trigger", "webhook_trigger"), "self.bus.on_trigger of an App"),
    **dict.fromkeys(("state_active", "time_active"), "where=… of a listener or job"),
    **dict.fromkeys(("service", "pyscript", "pyscript_compile", "pyscript_executor", "task"), "methods of an App"),
    "task_unique": 'mode="restart" of a listener or job',
    "event": "self.api.fire_event of an App",
    "hass": "self.states and self.api of an App",
    "log": "self.logger of an App",
}
"""Names that pyscript defines in each script, and the replacement."""


_SEARCHED = ("bus", "scheduler", "api", "time", "home")
"""The components whose members another framework has in the app itself. The others are mappings."""


def replacement_of(attribute: str) -> str | None:
    """Return the replacement of an attribute that an app does not have; None if none is known.

    Example:
        >>> replacement_of("listen_state")
        'self.bus.on_state_change'
    """
    if attribute in ATTRIBUTES:
        return ATTRIBUTES[attribute]
    if attribute.startswith("_"):
        return None
    return next((f"self.{part}.{attribute}" for part in _SEARCHED if hasattr(components[part], attribute)), None)


def import_advice(error: BaseException) -> str | None:
    """Return advice for an app that cannot be imported because it uses another framework; None if it does not."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _MODULES.get(error.name.partition(".")[0])
    if isinstance(error, NameError) and error.name in _PYSCRIPT:
        return f"the name belongs to pyscript, use {_PYSCRIPT[error.name]}, see the page Moving from pyscript"
    return None
