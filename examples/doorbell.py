"""Flash a light and send a message when a doorbell calls a web hook of Home Assistant.

The doorbell sends ``POST http://homeassistant.local:8123/api/webhook/<id>``. Everyone with the id can ring, so keep the
id in the secrets file.
"""

from hassette_core import App, AppConfig


class DoorbellConfig(AppConfig):
    """The id of the web hook, the light, and the phone: its notify service without ``notify.``."""

    webhook_id: str
    light: str
    phone: str
    flashes: int = 3


class Doorbell(App[DoorbellConfig]):
    """Listens to one doorbell. While the light flashes, further calls have no effect."""

    async def on_initialize(self) -> None:
        hook = {"trigger": "webhook", "webhook_id": self.config.webhook_id, "local_only": True}
        await self.bus.on_trigger(self.ring, hook, mode="single")

    async def ring(self) -> None:
        await self.api.notify("The doorbell rings", target=self.config.phone)
        for _ in range(2 * self.config.flashes):
            await self.api.call_service("light", "toggle", target=self.config.light)
            await self.time.sleep(1)
