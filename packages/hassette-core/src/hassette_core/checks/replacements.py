"""Names of AppDaemon, and the names of this framework that replace them."""

HOOKS = {"initialize": "on_initialize", "terminate": "on_shutdown"}
"""Methods that AppDaemon calls, and the methods of an `App` with the same purpose."""
ATTRIBUTES = {
    "anyone_home": 'self.states.domain("person")',
    "args": "self.config",
    "call_service": "self.api.call_service",
    "date": "self.time.today",
    "datetime": "self.time.now",
    "entity_exists": "… in self.states",
    "error": "self.logger.error",
    "fire_event": "self.api.fire_event",
    "friendly_name": "self.states[…].attributes",
    "get_app": "self.apps.get",
    "get_history": "self.api.get_history",
    "get_state": "self.states[…]",
    "get_now": "self.time.now",
    "listen_event": "self.bus.on_event",
    "listen_state": "self.bus.on_state_change",
    "log": "self.logger.info",
    "name": "self.instance",
    "notify": "self.api.notify",
    "now_is_between": "self.time.is_between",
    "parse_time": "self.time.parse",
    "render_template": "self.api.render_template",
    "run_in_executor": "asyncio.to_thread",
    "select_option": "self.api.call_service",
    "set_state": "self.api.set_state",
    "set_value": "self.api.call_service",
    "sleep": "self.time.sleep",
    "sun_down": "self.time.sun.is_up",
    "sun_up": "self.time.sun.is_up",
    "toggle": "self.api.toggle",
    "turn_off": "self.api.turn_off",
    "turn_on": "self.api.turn_on",
}
"""Attributes of an app in AppDaemon, and their replacements. For a method that `AppScheduler` also has,
such as ``run_in``, the check suggests the method of `AppScheduler`."""
