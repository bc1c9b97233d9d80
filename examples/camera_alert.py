"""Send a picture to the phone when a camera sees a person, at most one per camera in five minutes.

The events are those of Frigate. Frigate publishes them over MQTT, and an automation of Home Assistant passes them on::

    triggers:
      - {trigger: mqtt, topic: frigate/events}
    actions:
      - variables:
          seen: "{{ trigger.payload_json.after }}"
      - event: frigate_event
        event_data:
          id: "{{ seen.id }}"
          camera: "{{ seen.camera }}"
          label: "{{ seen.label }}"
          score: "{{ seen.top_score }}"
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from hassette_core import App, AppConfig, Data, Event


class CameraAlertConfig(AppConfig):
    """The cameras, the labels that they look for, and the phone: its notify service without ``notify.``."""

    cameras: Annotated[list[str], Field(min_length=1)]
    phone: str
    labels: tuple[str, ...] = ("person",)
    min_score: float = 0.7
    cool_down_s: float = 300


class CameraAlert(App[CameraAlertConfig]):
    """Watches several cameras."""

    async def on_initialize(self) -> None:
        for camera in self.config.cameras:
            self.bus.on_event(
                self.send_picture,
                "frigate_event",
                name=f"send_picture:{camera}",
                where=self.is_seen_by(camera),
                throttle=self.config.cool_down_s,
            )

    def is_seen_by(self, camera: str) -> Callable[[Event], bool]:
        def is_seen(event: Event) -> bool:
            seen = event.data
            return (
                seen.get("camera") == camera
                and seen.get("label") in self.config.labels
                and (seen.get("score") or 0) >= self.config.min_score
            )

        return is_seen

    async def send_picture(
        self,
        camera: Annotated[str, Data("camera")],
        label: Annotated[str, Data("label")],
        event_id: Annotated[str, Data("id")],
    ) -> None:
        await self.api.notify(
            f"{label.capitalize()} at {camera}",
            target=self.config.phone,
            data={"image": f"/api/frigate/notifications/{event_id}/snapshot.jpg", "tag": camera},
        )
