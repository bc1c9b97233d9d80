"""Send a reminder every few minutes while a door is open."""

from hassette_core import App, AppConfig, Job


class DoorReminderConfig(AppConfig):
    """The door, and the time between two reminders."""

    door: str
    remind_after_s: float = 300


class DoorReminder(App[DoorReminderConfig]):
    """Watches one door."""

    async def on_initialize(self) -> None:
        self.reminder: Job | None = None
        self.reminders = 0
        self.bus.on_state_change(self.door_opened, self.config.door, changed_to="on")
        self.bus.on_state_change(self.door_closed, self.config.door, changed_to="off")

    async def door_opened(self) -> None:
        await self.door_closed()
        self.reminder = self.scheduler.run_every(self.remind, self.config.remind_after_s)

    async def door_closed(self) -> None:
        if self.reminder is not None:
            self.reminder.cancel()
        self.reminder, self.reminders = None, 0

    async def remind(self) -> None:
        self.reminders += 1
        minutes = self.reminders * self.config.remind_after_s / 60
        door = self.states[self.config.door].attributes.get("friendly_name", self.config.door)
        await self.api.call_service("notify", "notify", message=f"{door} has been open for {minutes:.0f} min")
