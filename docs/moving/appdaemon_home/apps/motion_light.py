import hassapi as hass
from home_functions import number_of


class MotionLight(hass.Hass):
    """Light a room with motion in the dark. apps.yaml has a constraint for the mode of the home."""

    def initialize(self):
        self.timer = None
        for sensor in self.args["sensors"]:
            self.listen_state(
                self.motion,
                sensor,
                new="on",
                constrain_start_time="sunset - 00:30:00",
                constrain_end_time="sunrise + 00:30:00",
            )

    def motion(self, entity, attribute, old, new, **kwargs):
        light = self.args["light"]
        if self.get_state(light) == "off" and number_of(self, self.args["lux"]) > self.args.get("max_lux", 50):
            return
        night = self.get_state("input_select.home_mode") == "Night"
        self.turn_on(light, brightness_pct=10 if night else self.args.get("brightness_pct", 80))
        if self.timer is not None:
            self.cancel_timer(self.timer, silent=True)
        self.timer = self.run_in(self.light_off, self.args.get("delay", 180))

    def light_off(self, **kwargs):
        self.timer = None
        self.turn_off(self.args["light"])
