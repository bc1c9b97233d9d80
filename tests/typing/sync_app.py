"""The types of the methods that a `SyncApp` calls: the results, and no coroutines. Pyright checks this file."""

from datetime import datetime
from typing import assert_type

from hassette_core import App, AppConfig, Job, NewState, ServiceResult, State, Subscription, SyncApp


class Notifier(App[AppConfig]):
    """An app whose method is a coroutine."""

    async def send(self, text: str) -> int:
        """Return the length of the text."""
        return len(text)


class Typed(SyncApp[AppConfig]):
    """Calls methods of each blocking class."""

    def on_initialize(self) -> None:
        """Check the types of the results."""
        assert_type(self.api.call_service("light", "turn_on", target="light.hall", brightness=1), ServiceResult)
        assert_type(self.api.turn_on("light.hall"), ServiceResult)
        assert_type(self.api.get_state("light.hall"), State | None)
        assert_type(self.api.get_states(), list[State])
        assert_type(self.api.set_state("sensor.rain", 4.2), State)
        assert_type(self.bus.on_state_change(self.changed, "light.hall", changed_to="on"), Subscription)
        assert_type(self.scheduler.run_in(self.on_initialize, 5), Job)
        assert_type(self.time.sleep(1), None)
        assert_type(self.time.now(), datetime)
        assert_type(self.wait(self.apps.get("notifier", Notifier).send("hello")), int)

    def changed(self, new: NewState) -> None:
        """Read a state."""
        assert_type(self.states[new.entity_id], State)
