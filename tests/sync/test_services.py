"""The states to which a service can lead."""

import pytest

from hassette_sync.questions.calls import leads_to


@pytest.mark.parametrize(
    ("service", "state", "expected"),
    [
        ("light.turn_on", "on", True),
        ("light.turn_on", "off", False),
        ("light.turn_off", "on", False),
        ("light.toggle", "off", True),
        ("homeassistant.turn_off", "on", False),
        ("cover.open_cover", "closed", False),
        ("cover.open_cover", "opening", True),
        ("cover.close_cover", "open", False),
        ("cover.close_cover", "closing", True),
        ("cover.set_cover_position", "open", True),
        ("cover.set_cover_position", "closed", True),
        ("valve.open_valve", "closed", False),
        ("valve.close_valve", "open", False),
        ("valve.close_valve", "closed", True),
        ("lock.lock", "locked", True),
        ("lock.lock", "unlocked", False),
        ("lock.unlock", "locked", False),
        ("lock.unlock", "unlocked", True),
        ("lock.open", "open", True),
        ("lock.open", "locked", False),
        ("media_player.turn_on", "playing", True),
        ("media_player.turn_off", "on", False),
        ("media_player.media_pause", "paused", True),
        ("climate.set_hvac_mode", "off", True),
        ("light.turn_on", None, True),
    ],
)
def test_service_leads_to_each_state_except_the_opposite(service: str, state: str | None, expected: bool) -> None:
    assert leads_to(service, state) is expected
