"""Services of media players, and of vacuum cleaners and lawn mowers."""

from typing import Any

from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.services.fields import ANY, BOOLEAN, ENTITIES, NUMBER, SHARE, TEXT, TEXTS, choice
from hassette_core.simulation.home.services.registry import EntityCall, ServiceAction, SimulatedService
from hassette_core.simulation.home.services.switches import change_to, unchanged

_SLEEPING = ("off", "standby", "unknown", "unavailable")
_VOLUME_STEP = 0.1


def _turn_on(call: EntityCall) -> None:
    if call.entity.state in _SLEEPING:
        call.change("idle")


def _toggle(call: EntityCall) -> None:
    call.change("idle" if call.entity.state in _SLEEPING else "off")


def _play_pause(call: EntityCall) -> None:
    call.change("paused" if call.entity.state == "playing" else "playing")


def _louder(sign: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        volume = call.entity.number("volume_level", 0.5) + sign * _VOLUME_STEP
        call.change(volume_level=round(max(0.0, min(1.0, volume)), 4))

    return act


def _keep(field: str, attribute: str | None = None) -> ServiceAction:
    """Return the action that writes a field of the call into an attribute."""
    return lambda call: call.change(**{attribute or field: call.data[field]} if field in call.data else {})


def _play(call: EntityCall) -> None:
    media: Any = call.data.get("media", call.data)
    if call.data.get("announce"):
        return  # the player continues after an announcement
    if call.data.get("enqueue") in ("add", "next") and call.entity.state == "playing":
        return
    content_id, kind = media.get("media_content_id"), media.get("media_content_type")
    call.change(
        "playing",
        media_content_id=content_id,
        media_content_type=kind,
        media_position=0,
        media_position_updated_at=call.core.now(),
    )


def _stop(call: EntityCall) -> None:
    if call.entity.state not in _SLEEPING:
        call.change("idle")


def _clear(call: EntityCall) -> None:
    call.change("idle" if call.entity.state not in _SLEEPING else None, media_content_id=None, media_content_type=None)


def _next_track(sign: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        track = call.entity.number("media_track", 1) + sign
        call.change(media_track=max(1, int(track)), media_position=0)

    return act


def _join(call: EntityCall) -> None:
    call.change(
        group_members=[call.entity_id, *(each for each in call.data["group_members"] if each != call.entity_id)]
    )


def _browse(call: EntityCall) -> Json:
    return {
        "title": call.entity.attributes.get("friendly_name", call.entity_id),
        "media_class": "directory",
        "media_content_type": call.data.get("media_content_type", ""),
        "media_content_id": call.data.get("media_content_id", ""),
        "children_media_class": None,
        "can_play": False,
        "can_expand": True,
        "can_search": False,
        "thumbnail": None,
        "not_shown": 0,
        "children": [],
    }


def _search(_call: EntityCall) -> Json:
    return {"version": 1, "result": []}


_CONTENT = TEXT.replace(hidden="2026", shown_as_required=True)
_PLAY = {
    "media_content_id": _CONTENT,
    "media_content_type": _CONTENT,
    "announce": BOOLEAN,
    "enqueue": choice("play", "next", "add", "replace"),
    "extra": ANY.replace(hidden=True),
    "media": ANY.replace(selector="media", since="2026", shown_as_required=True),
}
_WHERE = {"media_content_id": TEXT, "media_content_type": TEXT}
MEDIA_PLAYER = {
    "turn_on": SimulatedService(_turn_on, features=128),
    "turn_off": SimulatedService(change_to("off"), features=256),
    "toggle": SimulatedService(_toggle, features=384),
    "media_play": SimulatedService(change_to("playing"), features=16384),
    "media_pause": SimulatedService(change_to("paused"), features=1),
    "media_play_pause": SimulatedService(_play_pause, features=16385),
    "media_stop": SimulatedService(_stop, features=4096),
    "media_next_track": SimulatedService(_next_track(1), features=32),
    "media_previous_track": SimulatedService(_next_track(-1), features=16),
    "media_seek": SimulatedService(
        _keep("seek_position", "media_position"), {"seek_position": NUMBER.as_required}, features=2
    ),
    "volume_set": SimulatedService(_keep("volume_level"), {"volume_level": SHARE.as_required}, features=4),
    "volume_up": SimulatedService(_louder(1), features=1028),
    "volume_down": SimulatedService(_louder(-1), features=1028),
    "volume_mute": SimulatedService(_keep("is_volume_muted"), {"is_volume_muted": BOOLEAN.as_required}, features=8),
    "select_source": SimulatedService(_keep("source"), {"source": TEXT.as_required.as_state}, features=2048),
    "select_sound_mode": SimulatedService(_keep("sound_mode"), {"sound_mode": TEXT.as_state}, features=65536),
    "shuffle_set": SimulatedService(_keep("shuffle"), {"shuffle": BOOLEAN.as_required}, features=32768),
    "repeat_set": SimulatedService(
        _keep("repeat"), {"repeat": choice("off", "all", "one").as_required}, features=262144
    ),
    "play_media": SimulatedService(_play, _PLAY, one_of=("media_content_id", "media"), features=512),
    "clear_playlist": SimulatedService(_clear, features=8192),
    "join": SimulatedService(_join, {"group_members": ENTITIES.as_required}, features=524288),
    "unjoin": SimulatedService(lambda call: call.change(group_members=[]), features=524288),
    "browse_media": SimulatedService(_browse, _WHERE, response="only", features=131072),
    "search_media": SimulatedService(
        _search,
        {"search_query": TEXT.as_required, **_WHERE, "media_filter_classes": TEXTS},
        response="only",
        features=4194304,
        since="2025.8",
    ),
}

RETURN_S = 30.0
"""Seconds that a vacuum cleaner or a mower needs to return to its dock, on the home's clock."""


def _return(call: EntityCall) -> None:
    if call.entity.state == "docked":
        return
    call.change("returning")
    core, entity_id = call.core, call.entity_id

    def arrive() -> None:
        entity = core.entities.get(entity_id)
        if entity is not None and entity.state == "returning":
            core.change(entity_id, "docked")

    core.clock.call_later(RETURN_S, arrive)


def _set_fan_speed(call: EntityCall) -> None:
    listed = call.listed("fan_speed_list")
    if listed is None or call.data["fan_speed"] in listed:  # Home Assistant's demo ignores an unknown speed, too
        call.change(fan_speed=call.data["fan_speed"])


def _pause_cleaning(call: EntityCall) -> None:
    if call.entity.state == "cleaning":
        call.change("paused")


VACUUM = {
    "start": SimulatedService(change_to("cleaning"), features=8192),
    "pause": SimulatedService(_pause_cleaning, features=4),
    "stop": SimulatedService(change_to("idle"), features=8),
    "return_to_base": SimulatedService(_return, features=16),
    "clean_spot": SimulatedService(change_to("cleaning"), features=1024),
    "locate": SimulatedService(unchanged, features=512),
    "set_fan_speed": SimulatedService(_set_fan_speed, {"fan_speed": TEXT.as_required.as_state}, features=32),
    "send_command": SimulatedService(unchanged, {"command": TEXT.as_required, "params": ANY}, features=256),
    "clean_area": SimulatedService(
        change_to("cleaning"), {"cleaning_area_id": TEXTS.replace(selector="area").as_required}, since="2026.4"
    ),
}
LAWN_MOWER = {
    "start_mowing": SimulatedService(change_to("mowing"), features=1),
    "pause": SimulatedService(change_to("paused"), features=2),
    "dock": SimulatedService(_return, features=4),
}
