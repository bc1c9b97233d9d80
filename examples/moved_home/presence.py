"""Turn the lights off after the last person has left, and set the mode of the home to Away some minutes later."""

from home_functions import HOME_MODE, name_of, open_windows
from notifier import Notifier

from hassette_core import App, AppConfig, EntityId, state_is


class PresenceConfig(AppConfig):
    """The lights, and the windows that should be closed while all persons are away."""

    lights: str
    windows: list[str]
    persons: str = "person.*"
    lights_off_after_s: float = 300
    away_after_s: float = 900


class Presence(App[PresenceConfig]):
    """Follows all persons together. Two timers lead to Away, and an arrival cancels both."""

    async def on_initialize(self) -> None:
        persons = self.config.persons
        all_away = ~state_is(persons, "home", match="any")
        self.bus.on_state_change(self.arrived, persons, changed_to="home")
        self.bus.on_state_change(self.left, persons, changed_from="home", where=all_away)

    async def arrived(self, person: EntityId) -> None:
        self.scheduler.group("leaving").cancel()
        if self.states[HOME_MODE].state == "Away":
            await self.set_mode("Home")
            await self.send(f"{name_of(self.states, person)} is home")

    async def left(self) -> None:
        for handler, delay_s in (
            (self.lights_off, self.config.lights_off_after_s),
            (self.be_away, self.config.away_after_s),
        ):
            self.scheduler.run_in(handler, delay_s, group="leaving", persist=True, replace=True)

    async def lights_off(self) -> None:
        await self.api.turn_off(self.config.lights)

    async def be_away(self) -> None:
        await self.set_mode("Away")
        if windows := open_windows(self.states, self.config.windows):
            await self.send(f"Open while all are away: {', '.join(windows)}", urgent=True)

    async def set_mode(self, mode: str) -> None:
        await self.api.call_service("input_select.select_option", target=HOME_MODE, option=mode)

    async def send(self, message: str, *, urgent: bool = False) -> None:
        await self.apps.get("notifier", Notifier).send(message, urgent=urgent)
