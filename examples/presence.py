"""Keep a calmer presence of a person on the dashboard: Just arrived, Home, Just left, Away."""

from hassette_core import App, AppConfig

ARRIVAL = {"Just left": "Home", "Away": "Just arrived"}
DEPARTURE = {"Just arrived": "Just left", "Home": "Just left"}


class PresenceConfig(AppConfig):
    """The person, the list on the dashboard (an `input_select` with the four names), and the times."""

    person: str
    presence: str
    arriving_minutes: float = 10
    leaving_minutes: float = 10


class Presence(App[PresenceConfig]):
    """Follows one person. The list keeps the presence, so that a restart does not matter.

    A person who comes back shortly after leaving is at home at once. A person without a known place does not move.
    """

    async def on_initialize(self) -> None:
        person, presence = self.config.person, self.config.presence
        arriving, leaving = self.config.arriving_minutes * 60, self.config.leaving_minutes * 60
        self.bus.on_state_change(self.arrive, person, changed_to="home", immediate=True)
        self.bus.on_state_change(self.leave, person, changed_to=is_elsewhere, immediate=True)
        self.bus.on_state_change(self.settle, presence, changed_to="Just arrived", duration=arriving, immediate=True)
        self.bus.on_state_change(self.be_away, presence, changed_to="Just left", duration=leaving, immediate=True)

    async def arrive(self) -> None:
        await self.follow(ARRIVAL)

    async def leave(self) -> None:
        await self.follow(DEPARTURE)

    async def settle(self) -> None:
        await self.show("Home")

    async def be_away(self) -> None:
        await self.show("Away")

    async def follow(self, changes: dict[str, str]) -> None:
        presence = self.states[self.config.presence].state
        if presence in changes:
            await self.show(changes[presence])

    async def show(self, presence: str) -> None:
        await self.api.call_service("input_select.select_option", target=self.config.presence, option=presence)


def is_elsewhere(place: str) -> bool:
    return place not in ("home", "unavailable", "unknown")
