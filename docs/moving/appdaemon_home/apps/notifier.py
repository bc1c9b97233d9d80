import hassapi as hass


class Notifier(hass.Hass):
    """Send the messages of other apps. At night, only urgent messages are sent at once."""

    def initialize(self):
        self.waiting = []
        self.run_daily(self.send_waiting, self.args["quiet_until"])

    def send(self, message, urgent=False):
        if not urgent and self.now_is_between(self.args["quiet_from"], self.args["quiet_until"]):
            self.waiting.append(message)
            return
        for phone in self.args["phones"]:
            self.call_service(f"notify/{phone}", message=message)

    def send_waiting(self, **kwargs):
        if self.waiting:
            self.send("\n".join(self.waiting), urgent=True)
            self.waiting = []
