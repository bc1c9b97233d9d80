"""Control lights with a cube: turn it to dim, flip it to choose a scene, shake it to turn everything off.

The light may be a template of Home Assistant, so that a list on the dashboard chooses which light the cube controls.
"""

from typing import Any

from hassette_core import App, AppConfig, Event


class CubeControlConfig(AppConfig):
    """The cube, as its events name it, and the lights. The defaults are those of an Aqara cube with ZHA.

    ``light`` is an entity id, or a template that renders one: ``"{{ states('input_text.cube_light') }}"``.
    ``scenes`` has up to six scenes, one for each face.
    """

    device: str
    light: str
    all_lights: list[str]
    scenes: tuple[str, ...] = ()
    event_type: str = "zha_event"
    percent_per_degree: float = 0.5


class CubeControl(App[CubeControlConfig]):
    """Shake: all lights off. Knock: toggle the light. Rotate: dim the light. Flip: the scene of the upper face."""

    async def on_initialize(self) -> None:
        # With `queued`, two quick turns of the cube dim twice, one after the other.
        self.bus.on_event(self.moved, self.config.event_type, where=self.is_cube, mode="queued")

    def is_cube(self, event: Event) -> bool:
        return event.data.get("device_ieee") == self.config.device

    async def moved(self, event: Event) -> None:
        details: dict[str, Any] = event.data.get("args") or {}
        match event.data.get("command"):
            case "shake":
                await self.api.turn_off(self.config.all_lights)
            case "knock":
                await self.api.toggle(await self.light())
            case "rotate_left" | "rotate_right":
                percent = round(float(details["relative_degrees"]) * self.config.percent_per_degree)
                if percent:
                    await self.api.turn_on(await self.light(), brightness_step_pct=max(-100, min(percent, 100)))
            case "flip":
                face: int = details["activated_face"]
                if 1 <= face <= len(self.config.scenes):
                    await self.api.turn_on(self.config.scenes[face - 1])
            case _:
                return  # the cube was slid, dropped or woken up

    async def light(self) -> str:
        """Return the entity id of the light that the cube controls now."""
        light = self.config.light
        return (await self.api.render_template(light)).strip() if "{{" in light else light
