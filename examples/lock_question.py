"""Ask on the phone whether to lock a door that has been unlocked for a while, and carry out the answer."""

from collections.abc import Callable

from hassette_core import App, AppConfig, CallFailedError, Event, NotConfirmedError

ANSWER = "mobile_app_notification_action"


class LockQuestionConfig(AppConfig):
    """The lock, and the phone: the name of its notify service, such as ``mobile_app_alex``."""

    lock: str
    phone: str
    ask_after_s: float = 600
    ask_again_s: float = 1800


class LockQuestion(App[LockQuestionConfig]):
    """Watches one lock."""

    async def on_initialize(self) -> None:
        lock = self.config.lock
        # The answers of all questions are events of one type, so the actions contain the name of the lock.
        self.lock_now, self.later = f"lock_now:{lock}", f"later:{lock}"
        self.bus.on_state_change(
            self.ask, lock, changed_to="unlocked", duration=self.config.ask_after_s, immediate=True
        )
        self.bus.on_state_change(self.withdraw, lock, changed_from="unlocked")
        self.bus.on_event(self.lock_door, ANSWER, where=self.answered(self.lock_now))
        self.bus.on_event(self.ask_later, ANSWER, where=self.answered(self.later))

    def answered(self, action: str) -> Callable[[Event], bool]:
        return lambda event: event.data.get("action") == action

    async def ask(self) -> None:
        actions = [{"action": self.lock_now, "title": "Lock it"}, {"action": self.later, "title": "Ask me later"}]
        await self.send(f"{self.door} is unlocked", actions=actions)

    async def lock_door(self) -> None:
        try:
            await self.api.call_service("lock.lock", target=self.config.lock, expect="locked", within=20)
        except (CallFailedError, NotConfirmedError):
            await self.send(f"{self.door} cannot be locked. Please look at it.")
            raise

    async def ask_later(self) -> None:
        self.scheduler.run_in(
            self.ask, self.config.ask_again_s, name="later", group="later", persist=True, replace=True
        )

    async def withdraw(self) -> None:
        self.scheduler.group("later").cancel()
        await self.send("clear_notification")

    async def send(self, message: str, **data: object) -> None:
        # A new message with the same tag replaces the previous one. "clear_notification" removes it.
        await self.api.notify(message, target=self.config.phone, data={"tag": self.config.lock, **data})

    @property
    def door(self) -> str:
        return self.states[self.config.lock].attributes.get("friendly_name", self.config.lock)
