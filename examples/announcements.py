"""Speak messages one after the other, and only urgent messages at night.

Other apps write ``self.bus.emit("announce", {"message": "Dinner is ready"})``. An automation of Home Assistant fires
the event ``announce``. With ``urgent: true``, the message is also spoken at night.
"""

from typing import Annotated

from hassette_core import App, AppConfig, Data, Event, between, state_is


class AnnouncementsConfig(AppConfig):
    """The speaker and the voice, and the quiet hours."""

    speaker: str
    voice: str
    quiet_from: str = "22:00"
    quiet_until: str = "07:00"


class Announcements(App[AnnouncementsConfig]):
    """Speaks the messages of all apps."""

    async def on_initialize(self) -> None:
        quiet = between(self.config.quiet_from, self.config.quiet_until)
        self.bus.on_event(self.speak, "announce", mode="queued", where=~quiet | self.is_urgent)

    def is_urgent(self, event: Event) -> bool:
        return event.data.get("urgent") is True

    async def speak(self, message: Annotated[str, Data("message")]) -> None:
        speaker = self.config.speaker
        await self.api.call_service(
            "tts.speak", target=self.config.voice, media_player_entity_id=speaker, message=message
        )
        await self.bus.wait_for(state_is(speaker, "playing"), timeout=10)
        await self.bus.wait_for(~state_is(speaker, "playing"), timeout=120)
