"""Services of lights: brightness, color temperature and colors."""

from colorsys import hsv_to_rgb, rgb_to_hsv
from typing import Any

from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.entities import LIGHT_OFF
from hassette_core.simulation.home.services.fields import BRIGHTNESS, NUMBER, TEXT, choice, integer, sequence
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService
from hassette_core.simulation.home.services.switches import toggled

COLOR_TEMP_END = "2026.4"
"""From this version on, lights refuse ``color_temp``, in mireds."""
COLORS = {
    "red": (255, 0, 0),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
    "lime": (0, 255, 0),
    "green": (0, 128, 0),
    "cyan": (0, 255, 255),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "magenta": (255, 0, 255),
    "pink": (255, 192, 203),
    "white": (255, 255, 255),
    "warmwhite": (255, 247, 240),
}


def _light_on(call: EntityCall) -> None:
    attributes = _color(call)
    modes = call.listed("supported_color_modes")
    if modes == ["onoff"]:
        call.change("on", color_mode="onoff")
        return
    brightness = _brightness(call)
    if brightness == 0:
        _light_off(call)
        return
    mode = attributes.get("color_mode") or call.entity.attributes.get("color_mode") or "brightness"
    if (effect := call.data.get("effect")) is not None and effect in (call.listed("effect_list") or [effect]):
        attributes["effect"] = effect
    call.change("on", **{"brightness": brightness, **attributes, "color_mode": mode})


def _brightness(call: EntityCall) -> int:
    before = call.entity.number("brightness", 255) or 255
    if (step := call.data.get("brightness_step")) is not None or "brightness_step_pct" in call.data:
        current = call.entity.number("brightness", 0) if call.entity.state == "on" else 0
        if step is not None:
            level = round(current + step)
        elif call.core.since("2026"):  # earlier versions do not round the current brightness to percents
            level = round((round(current / 255 * 100) + call.data["brightness_step_pct"]) / 100 * 255)
        else:
            level = round(current + round(call.data["brightness_step_pct"] / 100 * 255))
        return max(0, min(255, level))
    asked = call.data.get("brightness_pct")
    return call.data.get("brightness", int(before) if asked is None else round(asked * 255 / 100))


def _color(call: EntityCall) -> Json:
    """Return the attributes of the color that the call requests, if the light can show it."""
    modes = call.listed("supported_color_modes")
    data = call.data
    kelvin = data.get("color_temp_kelvin")
    if (mireds := data.get("color_temp")) is not None:
        kelvin = round(1_000_000 / mireds)
    if kelvin is not None and (modes is None or "color_temp" in modes):
        low, high = call.entity.number("min_color_temp_kelvin", 2000), call.entity.number("max_color_temp_kelvin", 6535)
        return {"color_mode": "color_temp", "color_temp_kelvin": max(low, min(high, kelvin))}
    if modes is not None and not {"hs", "rgb", "xy", "rgbw", "rgbww"} & set(modes):
        return {}
    rgb = data.get("rgb_color") or (list(data["rgbw_color"][:3]) if "rgbw_color" in data else None)
    rgb = rgb or (list(data["rgbww_color"][:3]) if "rgbww_color" in data else None)
    if "color_name" in data:
        rgb = list(COLORS[data["color_name"]])
    if "hs_color" in data:
        rgb = [round(each * 255) for each in hsv_to_rgb(data["hs_color"][0] / 360, data["hs_color"][1] / 100, 1)]
    if "xy_color" in data:
        rgb = _xy_to_rgb(*data["xy_color"])
    if rgb is None:
        return {}
    hue, saturation, _ = rgb_to_hsv(*(each / 255 for each in rgb))
    mode = "hs" if modes is None or "hs" in modes else next(m for m in ("rgb", "xy", "rgbw", "rgbww") if m in modes)
    hs = data.get("hs_color", [round(hue * 360, 3), round(saturation * 100, 3)])
    attributes: dict[str, Any] = {"color_mode": mode, "hs_color": hs, "rgb_color": rgb}
    if "color_temp_kelvin" in call.entity.attributes:
        attributes["color_temp_kelvin"] = None
    for name in ("rgbw_color", "rgbww_color", "xy_color"):
        if name in data:
            attributes[name] = data[name]
    return attributes


def _xy_to_rgb(x: float, y: float) -> list[int]:
    luminance_x, luminance_z = x / (y or 1e-9), (1 - x - y) / (y or 1e-9)
    linear = (
        luminance_x * 1.656492 - 0.354851 - luminance_z * 0.255038,
        -luminance_x * 0.707196 + 1.655397 + luminance_z * 0.036152,
        luminance_x * 0.051713 - 0.121364 + luminance_z * 1.011530,
    )
    curved = [12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in (max(0.0, c) for c in linear)]
    highest = max(1.0, *curved)
    return [round(each / highest * 255) for each in curved]


def _light_off(call: EntityCall) -> None:
    names = ("color_temp_kelvin", "hs_color", "rgb_color", "xy_color", "rgbw_color", "rgbww_color", "effect")
    known = {name: None for name in names if name in call.entity.attributes}
    call.change("off", **{**LIGHT_OFF, **known})


_PERCENT_STEP = integer(-100, 100)
_COLOR_FIELDS = {
    "color_name": choice(*COLORS, error="value should be a color name"),
    "color_temp": NUMBER.replace(selector="color_temp", until=COLOR_TEMP_END),
    "color_temp_kelvin": integer(1).replace(selector="color_temp"),
    "effect": TEXT.as_state,
    "flash": choice("short", "long"),
    "hs_color": sequence(2),
    "profile": TEXT,
    "rgb_color": sequence(3, 255, "color_rgb"),
    "rgbw_color": sequence(4, 255),
    "rgbww_color": sequence(5, 255),
    "white": BRIGHTNESS.replace(selector="constant"),
    "xy_color": sequence(2, 1),
}
_PERCENT = integer(0, 100, newer_error="expected a percentage between 0 and 100")
_TOGGLE = {"brightness": BRIGHTNESS, "brightness_pct": _PERCENT, "transition": NUMBER, **_COLOR_FIELDS}
_ON = {**_TOGGLE, "brightness_step": integer(-255, 255), "brightness_step_pct": _PERCENT_STEP}
LIGHT = {
    "turn_on": SimulatedService(_light_on, _ON),
    "turn_off": SimulatedService(_light_off, {"transition": NUMBER, "flash": choice("short", "long")}),
    "toggle": SimulatedService(toggled(_light_on, _light_off), _TOGGLE),
}
