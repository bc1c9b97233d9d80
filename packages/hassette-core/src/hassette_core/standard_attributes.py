"""The attributes that Home Assistant's own integrations give to the entities of a domain, with their types.

An entity has most of its attributes only in some states: a lamp that is off has no brightness, and an unavailable
entity has nearly no attribute. So the states of one moment do not show all attributes and types.
"""

from collections.abc import Mapping

_TEXT, _NUMBER, _FLAG = "str | None", "float | None", "bool | None"
_TEXTS, _NUMBERS = "list[str] | None", "list[float] | None"

COMMON: Mapping[str, str] = {
    **dict.fromkeys(("attribution", "device_class", "entity_picture", "icon"), _TEXT),
    "friendly_name": "str",
    **dict.fromkeys(("assumed_state", "restored"), "bool"),
    "supported_features": "float",
}
"""The attributes of the entities of all domains."""
_CLIMATE = {
    **dict.fromkeys(("current_humidity", "current_temperature", "humidity", "temperature"), _NUMBER),
    **dict.fromkeys(("max_humidity", "max_temp", "min_humidity", "min_temp", "target_temp_step"), _NUMBER),
    **dict.fromkeys(("target_temp_high", "target_temp_low"), _NUMBER),
    **dict.fromkeys(("fan_mode", "hvac_action", "preset_mode", "swing_horizontal_mode", "swing_mode"), _TEXT),
    **dict.fromkeys(("fan_modes", "hvac_modes", "preset_modes", "swing_horizontal_modes", "swing_modes"), _TEXTS),
}
_PLACE = {**dict.fromkeys(("gps_accuracy", "latitude", "longitude"), _NUMBER), "source": _TEXT}
STANDARD: Mapping[str, Mapping[str, str]] = {
    "alarm_control_panel": {**dict.fromkeys(("changed_by", "code_format"), _TEXT), "code_arm_required": _FLAG},
    "automation": {**dict.fromkeys(("id", "last_triggered", "mode"), _TEXT), "current": _NUMBER, "max": _NUMBER},
    "calendar": {
        **dict.fromkeys(("description", "end_time", "location", "message", "start_time"), _TEXT),
        "all_day": _FLAG,
    },
    "climate": _CLIMATE,
    "cover": {**dict.fromkeys(("current_position", "current_tilt_position"), _NUMBER), "is_closed": _FLAG},
    "device_tracker": {
        **_PLACE,
        "battery_level": _NUMBER,
        **dict.fromkeys(("host_name", "ip", "mac", "source_type"), _TEXT),
    },
    "fan": {
        **dict.fromkeys(("percentage", "percentage_step"), _NUMBER),
        **dict.fromkeys(("direction", "preset_mode"), _TEXT),
        "oscillating": _FLAG,
        "preset_modes": _TEXTS,
    },
    "humidifier": {
        **dict.fromkeys(("current_humidity", "humidity", "max_humidity", "min_humidity"), _NUMBER),
        **dict.fromkeys(("action", "mode"), _TEXT),
        "available_modes": _TEXTS,
    },
    "light": {
        **dict.fromkeys(("brightness", "color_temp", "color_temp_kelvin"), _NUMBER),
        **dict.fromkeys(("max_color_temp_kelvin", "max_mireds", "min_color_temp_kelvin", "min_mireds"), _NUMBER),
        **dict.fromkeys(("hs_color", "rgb_color", "rgbw_color", "rgbww_color", "xy_color"), _NUMBERS),
        **dict.fromkeys(("color_mode", "effect"), _TEXT),
        **dict.fromkeys(("effect_list", "supported_color_modes"), _TEXTS),
    },
    "lock": dict.fromkeys(("changed_by", "code_format"), _TEXT),
    "media_player": {
        **dict.fromkeys(("app_id", "app_name", "media_album_artist", "media_album_name", "media_artist"), _TEXT),
        **dict.fromkeys(("media_channel", "media_content_id", "media_content_type", "media_episode"), _TEXT),
        **dict.fromkeys(("media_playlist", "media_position_updated_at", "media_season", "media_series_title"), _TEXT),
        **dict.fromkeys(("media_title", "repeat", "sound_mode", "source"), _TEXT),
        **dict.fromkeys(("media_duration", "media_position", "media_track", "volume_level"), _NUMBER),
        **dict.fromkeys(("is_volume_muted", "shuffle"), _FLAG),
        **dict.fromkeys(("group_members", "sound_mode_list", "source_list"), _TEXTS),
    },
    "person": {**_PLACE, **dict.fromkeys(("id", "user_id"), _TEXT), "device_trackers": _TEXTS, "editable": _FLAG},
    "script": {**dict.fromkeys(("last_triggered", "mode"), _TEXT), "current": _NUMBER, "max": _NUMBER},
    "siren": {"available_tones": "list[str] | dict[str, Any] | None"},
    "timer": {**dict.fromkeys(("duration", "finishes_at", "remaining"), _TEXT), "editable": _FLAG},
    "vacuum": {
        **dict.fromkeys(("battery_icon", "fan_speed", "status"), _TEXT),
        "battery_level": _NUMBER,
        "fan_speed_list": _TEXTS,
    },
    "valve": {"current_position": _NUMBER},
    "water_heater": {
        **_CLIMATE,
        **dict.fromkeys(("away_mode", "operation_mode"), _TEXT),
        "operation_list": _TEXTS,
    },
    "weather": {
        **dict.fromkeys(("apparent_temperature", "cloud_coverage", "dew_point", "humidity", "ozone"), _NUMBER),
        **dict.fromkeys(("pressure", "temperature", "uv_index", "visibility", "wind_gust_speed"), _NUMBER),
        "wind_speed": _NUMBER,
        "wind_bearing": "float | str | None",
        **dict.fromkeys(("precipitation_unit", "pressure_unit", "temperature_unit", "visibility_unit"), _TEXT),
        "wind_speed_unit": _TEXT,
    },
}
"""The attributes of the entities of a domain, in addition to `COMMON`."""
