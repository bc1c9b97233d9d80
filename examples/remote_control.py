"""Control a light with one button of a remote control: a click, a double click, and dimming while it is held."""

from hassette_core import App, AppConfig, Event, WaitTimeoutError


class RemoteControlConfig(AppConfig):
    """The remote control, as its events name it, and the lights. The defaults are those of many ZHA buttons."""

    device: str
    light: str
    all_lights: list[str]
    event_type: str = "zha_event"
    click: str = "remote_button_short_press"
    hold: str = "remote_button_long_press"
    release: str = "remote_button_long_release"
    double_click_s: float = 0.4


class RemoteControl(App[RemoteControlConfig]):
    """Click: toggle the light. Double click: turn all lights off. Hold: dim the light in steps until the release."""

    async def on_initialize(self) -> None:
        # With `single`, the second click does not start a second run: the first run waits for it.
        remote = self.config
        self.bus.on_event(self.clicked, remote.event_type, where=self.is_click, mode="single")
        self.bus.on_event(self.held, remote.event_type, where=self.is_hold, mode="single")

    def is_click(self, event: Event) -> bool:
        return self.is_command(event, self.config.click)

    def is_hold(self, event: Event) -> bool:
        return self.is_command(event, self.config.hold)

    def is_release(self, event: Event) -> bool:
        return self.is_command(event, self.config.release)

    def is_command(self, event: Event, command: str) -> bool:
        return event.data.get("device_ieee") == self.config.device and event.data.get("command") == command

    async def clicked(self) -> None:
        try:
            await self.bus.wait_for(self.config.event_type, where=self.is_click, timeout=self.config.double_click_s)
        except WaitTimeoutError:
            await self.api.toggle(self.config.light)
        else:
            await self.api.turn_off(self.config.all_lights)

    async def held(self) -> None:
        # Ten steps are enough for the full range. Radio messages get lost, so the release may never come.
        for _ in range(10):
            await self.api.turn_on(self.config.light, brightness_step_pct=-10)
            try:
                await self.bus.wait_for(self.config.event_type, where=self.is_release, timeout=0.3)
            except WaitTimeoutError:
                continue
            return
