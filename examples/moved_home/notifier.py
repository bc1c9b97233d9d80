"""Send the messages of other apps. At night, only urgent messages are sent at once."""

from hassette_core import App, AppConfig


class NotifierConfig(AppConfig):
    """The phones, and the quiet hours."""

    phones: list[str]
    quiet_from: str
    quiet_until: str


class Notifier(App[NotifierConfig]):
    """Sends to all phones. The storage keeps the messages that wait for the morning."""

    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.send_waiting, self.config.quiet_until)

    async def send(self, message: str, *, urgent: bool = False) -> None:
        if not urgent and self.time.is_between(self.config.quiet_from, self.config.quiet_until):
            self.storage["waiting"] = [*self.storage.get("waiting", []), message]
            return
        for phone in self.config.phones:
            await self.api.notify(message, target=phone)

    async def send_waiting(self) -> None:
        if waiting := self.storage.get("waiting"):
            await self.send("\n".join(waiting), urgent=True)
            del self.storage["waiting"]
