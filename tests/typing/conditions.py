"""The functions that the option ``where`` accepts. Pyright checks this file."""

from hassette_core import App, AppConfig, Event, StateChanged, above


def is_warmer(event: StateChanged) -> bool:
    """Return whether a temperature has risen."""
    return event.old_state is not None and event.new_state is not None


class Conditions(App[AppConfig]):
    """Registers a listener with each kind of function."""

    async def on_initialize(self) -> None:
        """Register the listeners and a job."""
        self.bus.on_state_change(self.act, "sensor.a", where=lambda event: event.new_state is not None)
        self.bus.on_state_change(self.act, "sensor.b", where=lambda: self.states.get("sensor.a") is not None)
        self.bus.on_state_change(self.act, "sensor.c", where=is_warmer)
        self.bus.on_state_change(self.act, "sensor.d", where=[is_warmer, above("sensor.a", 3), lambda: True])
        self.bus.on_state_change(self.act, "sensor.e", where=above("sensor.a", 3) & self.may_act)
        self.bus.on_event(self.act, "button", where=lambda event: event.data["button"] == 1)
        self.bus.on_event(self.act, "switch", where=self.is_first)
        self.scheduler.run_every(self.act, 60, where=lambda: "sensor.a" in self.states)
        await self.bus.wait_for("button", where=lambda event: event.data["button"] == 2, timeout=5)

    async def act(self) -> None:
        """Do something."""

    def may_act(self) -> bool:
        """Return whether the app may act."""
        return True

    def is_first(self, event: Event) -> bool:
        """Return whether the event is of the first button."""
        return event.data["button"] == 1
