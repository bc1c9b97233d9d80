"""Turn the guest Wi-Fi of a router on with a switch on the dashboard, and off again after some hours."""

from http.client import HTTPConnection

from hassette_core import App, AppConfig, NewState


class GuestWifiConfig(AppConfig):
    """The switch on the dashboard, and the router. Write the password as ``!secret router_password``."""

    switch: str
    router: str
    password: str
    off_after_hours: float = 12


class Router:
    """The interface of a router. Like most libraries for routers, it blocks until the router has answered."""

    def __init__(self, host: str, password: str) -> None:
        self.host, self.password = host, password

    def set_guest_wifi(self, state: str) -> None:
        """Turn the guest Wi-Fi ``on`` or ``off``.

        Raises:
            OSError: The router does not answer, or refuses.
        """
        connection = HTTPConnection(self.host, timeout=10)
        try:
            connection.request("PUT", "/api/guest-wifi", body=state, headers={"Authorization": self.password})
            answer = connection.getresponse()
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(f"the router answered {answer.status} {answer.reason}")


class GuestWifi(App[GuestWifiConfig]):
    """Controls the guest Wi-Fi. At its start, it sets the router, because the switch may have changed meanwhile."""

    async def on_initialize(self) -> None:
        switch, seconds = self.config.switch, self.config.off_after_hours * 3600
        self.router = Router(self.config.router, self.config.password)
        self.bus.on_state_change(
            self.set_router, switch, changed_to=["on", "off"], immediate=True, mode="queued", timeout=30
        )
        self.bus.on_state_change(self.turn_off, switch, changed_to="on", duration=seconds, immediate=True)

    def set_router(self, new: NewState) -> None:
        # A plain `def` runs in a thread, so that the router cannot delay other apps.
        self.router.set_guest_wifi(new.state)
        self.logger.info("Guest Wi-Fi was changed", extra={"state": new.state})

    async def turn_off(self) -> None:
        await self.api.turn_off(self.config.switch)
