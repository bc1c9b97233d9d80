"""Send a picture to the phone when a camera sees a person, at most one per camera in five minutes.

Frigate publishes its events over MQTT. The app listens to them with an MQTT trigger of Home Assistant, so it needs no
connection to the broker.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from hassette_core import App, AppConfig, TriggerFired


class CameraAlertConfig(AppConfig):
    """The cameras, the labels that they look for, and the phone: its notify service without ``notify.``."""

    cameras: Annotated[list[str], Field(min_length=1)]
    phone: str
    labels: tuple[str, ...] = ("person",)
    min_score: float = 0.7
    cool_down_s: float = 300
    topic: str = "frigate/events"


class CameraAlert(App[CameraAlertConfig]):
    """Watches several cameras."""

    async def on_initialize(self) -> None:
        for camera in self.config.cameras:
            await self.bus.on_trigger(
                self.send_picture,
                {"trigger": "mqtt", "topic": self.config.topic},
                name=f"send_picture:{camera}",
                where=self.is_seen_by(camera),
                throttle=self.config.cool_down_s,
            )

    def is_seen_by(self, camera: str) -> Callable[[TriggerFired], bool]:
        def is_seen(event: TriggerFired) -> bool:
            seen = seen_in(event)
            return (
                seen.get("camera") == camera
                and seen.get("label") in self.config.labels
                and (seen.get("top_score") or 0) >= self.config.min_score
            )

        return is_seen

    async def send_picture(self, event: TriggerFired) -> None:
        seen = seen_in(event)
        await self.api.notify(
            f"{seen['label'].capitalize()} at {seen['camera']}",
            target=self.config.phone,
            data={"image": f"/api/frigate/notifications/{seen['id']}/snapshot.jpg", "tag": seen["camera"]},
        )


def seen_in(event: TriggerFired) -> dict[str, Any]:
    """Return the object in an event of Frigate. It is empty if the message is not an event."""
    message: Any = event.data.get("payload_json")
    try:
        return message["after"] or {}
    except (TypeError, LookupError):
        return {}
