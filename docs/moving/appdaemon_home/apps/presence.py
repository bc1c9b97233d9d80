import hassapi as hass
from home_functions import open_windows


class Presence(hass.Hass):
    """Five minutes after the last person has left, turn the lights off. Ten minutes later, the home is away."""

    def initialize(self):
        self.timer = None
        self.listen_state(self.moved, "person")

    def moved(self, entity, attribute, old, new, **kwargs):
        if new == "home":
            if self.timer is not None:
                self.cancel_timer(self.timer, silent=True)
                self.timer = None
            if self.get_state("input_select.home_mode") == "Away":
                self.select_option("input_select.home_mode", "Home")
                self.get_app("notifier").send(f"{self.friendly_name(entity)} is home")
        elif self.timer is None and self.noone_home(person=True):
            self.timer = self.run_in(self.lights_off, 300)

    def lights_off(self, **kwargs):
        self.turn_off(self.args["lights"])
        self.timer = self.run_in(self.be_away, 600)

    def be_away(self, **kwargs):
        self.timer = None
        self.select_option("input_select.home_mode", "Away")
        windows = open_windows(self, self.args["windows"])
        if windows:
            self.get_app("notifier").send("Open while all are away: " + ", ".join(windows), urgent=True)
