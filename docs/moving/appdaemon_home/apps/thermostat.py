import hassapi as hass
from home_functions import AWAKE_MODES, open_windows


class Thermostat(hass.Hass):
    """Heat a room by a schedule, not while a window is open, and less while the home is away."""

    def initialize(self):
        for period in self.args["schedule"]:
            self.run_daily(self.period_begins, period["start"])
        for window in self.args["windows"]:
            self.listen_state(self.window_opened, window, new="on", duration=60)
            self.listen_state(self.window_closed, window, new="off")
        self.listen_state(self.mode_changed, "input_select.home_mode")
        self.heat()

    def period_begins(self, **kwargs):
        self.heat()

    def window_opened(self, entity, attribute, old, new, **kwargs):
        self.call_service("climate/set_hvac_mode", entity_id=self.args["climate"], hvac_mode="off")

    def window_closed(self, entity, attribute, old, new, **kwargs):
        self.heat()

    def mode_changed(self, entity, attribute, old, new, **kwargs):
        self.heat()

    def heat(self):
        if open_windows(self, self.args["windows"]):
            return
        self.call_service(
            "climate/set_temperature", entity_id=self.args["climate"], hvac_mode="heat", temperature=self.target()
        )

    def target(self):
        if self.get_state("input_select.home_mode") not in AWAKE_MODES:
            return self.args["away_temperature"]
        schedule = self.args["schedule"]
        for period, following in zip(schedule, schedule[1:] + schedule[:1]):
            if self.now_is_between(period["start"], following["start"]):
                return period["temperature"]
        return schedule[0]["temperature"]
