"""Call a service for each action of a remote control of Zigbee2MQTT."""

from typing import Annotated, Any

from pydantic import BaseModel

from hassette_core import App, AppConfig, Data


class Command(BaseModel):
    """A service call."""

    service: str
    target: str
    data: dict[str, Any] = {}


class RemoteConfig(AppConfig):
    """The topic of the remote control, and its actions."""

    topic: str
    actions: dict[str, Command]


class Remote(App[RemoteConfig]):
    """Needs no connection to the broker: Home Assistant passes the messages on."""

    async def on_initialize(self) -> None:
        await self.bus.on_trigger(self.pressed, {"trigger": "mqtt", "topic": self.config.topic})

    async def pressed(self, message: Annotated[dict[str, Any], Data("payload_json")]) -> None:
        command = self.config.actions.get(message.get("action", ""))
        if command is not None:
            await self.api.call_service(command.service, target=command.target, data=command.data)
