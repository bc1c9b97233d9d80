import hassapi as hass


class AlarmClock(hass.Hass):
    """Fade the light in on working days, from the time that is set on the dashboard."""

    def initialize(self):
        self.alarm = None
        self.fade = None
        self.level = 0
        self.listen_state(self.plan, self.args["time"], immediate=True)
        self.listen_state(self.plan, self.args["switch"])

    def plan(self, entity, attribute, old, new, **kwargs):
        if self.alarm is not None:
            self.cancel_timer(self.alarm)
            self.alarm = None
        if self.get_state(self.args["switch"]) == "on":
            at = self.parse_time(self.get_state(self.args["time"]))
            self.alarm = self.run_daily(self.ring, at, constrain_days="mon,tue,wed,thu,fri")

    def ring(self, **kwargs):
        self.level = 0
        self.fade = self.run_every(self.brighter, "immediate", 60)

    def brighter(self, **kwargs):
        self.level += 10
        self.turn_on(self.args["light"], brightness_pct=self.level)
        if self.level >= 100:
            self.cancel_timer(self.fade)
