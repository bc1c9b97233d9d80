"""Speak messages one after the other, and only urgent messages at night.

Other apps write ``self.bus.emit("announce", {"message": "Dinner is ready"})``. An automation of Home Assistant fires
the event ``announce``. With ``urgent: true``, the message is also spoken at night.
"""

from typing import Annotated

from hassette_core import App, AppConfig, Data, Event, WaitTimeoutError, between, state_is


class AnnouncementsConfig(AppConfig):
    """The speaker and the voice, the quiet hours, and the longest message in seconds."""

    speaker: str
    voice: str
    quiet_from: str = "22:00"
    quiet_until: str = "07:00"
    longest_s: float = 60


class Announcements(App[AnnouncementsConfig]):
    """Speaks the messages of all apps."""

    async def on_initialize(self) -> None:
        quiet = between(self.config.quiet_from, self.config.quiet_until)
        self.bus.on_event(self.speak, "announce", mode="queued", where=~quiet | self.is_urgent)

    def is_urgent(self, event: Event) -> bool:
        return event.data.get("urgent") is True

    async def speak(self, message: Annotated[str, Data("message")]) -> None:
        speaker = self.config.speaker
        # `expect` also sees a short message that has ended before the service answers.
        await self.api.call_service(
            "tts.speak",
            target=self.config.voice,
            media_player_entity_id=speaker,
            message=message,
            expect={speaker: "playing"},
            within=10,
        )
        try:
            await self.bus.wait_for(~state_is(speaker, "playing"), timeout=self.config.longest_s)
        except WaitTimeoutError:
            self.logger.info("Speaker still plays, probably music; the next message does not wait for its end")
