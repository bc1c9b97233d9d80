"""Causes of changes that a device reports late, in steps or by itself."""

import re

import pytest

from hassette_sync import AskedTime, DataSyncService
from support.recorded_home import OWN_USER, RecordedHome, call, change, titles
from support.rows import Listener

MOTION = Listener("on_motion", "motion_light", "hall")


@pytest.mark.parametrize(
    ("entity", "begun", "ended"),
    [
        *[("cover.hall", "opening", "open"), ("lock.door", "locking", "locked"), ("timer.tea", "active", "idle")],
        ("script.tea", "on", "off"),
    ],
)
async def test_end_of_a_change_has_the_cause_of_its_beginning(
    home: RecordedHome, data: DataSyncService, entity: str, begun: str, ended: str
) -> None:
    home.called(10, "cover.open_cover", entity, "p1", user="anna")
    home.changed(10.1, entity, "before", begun, "p1", user="anna")
    home.changed(25, entity, begun, ended, "late")
    await home.write()

    why = await data.why(entity=entity, state=ended)

    assert titles(why) == [("person", "Anna")]


async def test_end_in_two_steps_has_the_cause_of_its_beginning(home: RecordedHome, data: DataSyncService) -> None:
    home.changed(10, "cover.hall", "open", "closing", "p1", user="anna")
    home.changed(20, "cover.hall", "closing", "open", "late 1")
    home.changed(20.01, "cover.hall", "open", "closed", "late 2")
    home.changed(90, "cover.hall", "closed", "open", "late 3")
    await home.write()

    assert titles(await data.why(entity="cover.hall", state="closed")) == [("person", "Anna")]
    assert titles(await data.why(entity="cover.hall", state="open", at=AskedTime.moment(home.us(20)))) == [
        ("person", "Anna")
    ]
    assert titles(await data.why(entity="cover.hall", state="open")) == [("device", "cover.hall")]


@pytest.mark.parametrize(
    ("entity", "begun", "instead"),
    [
        ("cover.hall", "opening", "closing"),
        ("cover.hall", "opening", "closed"),
        ("lock.door", "locking", "unlocked"),
        ("alarm_control_panel.home", "arming", "disarmed"),
        ("timer.tea", "active", "paused"),
    ],
)
async def test_other_state_than_the_end_is_not_blamed_on_the_beginning(
    home: RecordedHome, data: DataSyncService, entity: str, begun: str, instead: str
) -> None:
    home.changed(10, entity, "before", begun, "p1", user="anna")
    home.changed(13, entity, begun, instead, "by hand")
    await home.write()

    assert titles(await data.why(entity=entity, state=instead)) == [("device", entity)]


async def test_alarm_that_is_triggered_after_its_delay_has_the_cause_of_the_delay(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(10, "alarm_control_panel.alarm_trigger", "alarm_control_panel.home", "p1", user="anna")
    home.changed(10.1, "alarm_control_panel.home", "armed_away", "pending", "p1", user="anna")
    home.changed(40, "alarm_control_panel.home", "pending", "triggered", "late")
    await home.write()

    assert titles(await data.why(entity="alarm_control_panel.home", state="triggered")) == [("person", "Anna")]


async def test_end_of_a_change_whose_beginning_is_not_recorded_has_no_invented_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(10.1, "cover.hall", "closed", "open", "p1", user="anna")
    home.changed(25, "cover.hall", "closing", "closed", "late")
    await home.write()

    why = await data.why(entity="cover.hall", state="closed")

    assert titles(why) == [("unknown", "unknown")]
    assert "it was closing before, but when that began is not recorded" in why.sentence


@pytest.mark.parametrize("gap", ["connection_restored", "lost changes"])
async def test_end_after_a_gap_in_the_recording_is_not_blamed_on_a_beginning_before_the_gap(
    home: RecordedHome, data: DataSyncService, gap: str
) -> None:
    home.changed(10, "timer.tea", "idle", "active", "p1", user="anna")
    if gap == "connection_restored":
        home.event(15, "connection_lost", "home_assistant")
        home.event(200, gap, "home_assistant")
    else:
        home.lose(150, "home_changes")
    home.changed(400, "timer.tea", "active", "idle", "late")
    await home.write()

    assert titles(await data.why(entity="timer.tea", state="idle")) == [("unknown", "unknown")]


async def test_end_of_a_timer_has_the_cause_of_its_last_start(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "timer.start", "timer.tea", "p1", user="anna")
    home.changed(10.1, "timer.tea", "idle", "active", "p1", user="anna")
    home.run(
        20, MOTION, change("binary_sensor.door", "off", "on", "d1"), calls=[call("timer.start", "timer.tea", "a1")]
    )
    home.changed(20.1, "timer.tea", "active", "active", "a1", user=OWN_USER)
    home.changed(60, "timer.tea", "active", "idle", "late 1")
    home.called(110, "timer.start", "timer.tea", "p2", user="anna")
    home.changed(110.1, "timer.tea", "idle", "active", "p2", user="anna")
    home.called(120, "timer.change", "timer.tea", "p3", user="ben")
    home.changed(120.1, "timer.tea", "active", "active", "p3", user="ben")
    home.changed(160, "timer.tea", "active", "idle", "late 2")
    await home.write()

    by_app = await data.why(entity="timer.tea", state="idle", at=AskedTime.moment(home.us(60)))
    by_ben = await data.why(entity="timer.tea", state="idle", at=AskedTime.moment(home.us(160)))

    assert titles(by_app)[0] == ("app", "motion_light.hall.on_motion")
    assert titles(by_ben) == [("person", "Ben")]
    again = await data.why(entity="timer.tea", state="active")
    assert re.fullmatch(r"timer\.tea got a new end time at \S+ because Ben called timer\.change\.", again.sentence)


async def test_change_soon_after_a_call_without_effect_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(
        10, MOTION, change("binary_sensor.door", "off", "on", "d1"), calls=[call("light.turn_on", "light.hall", "x")]
    )
    home.called(11, "fan.turn_on", "fan.hall", "p1", user="anna")
    for entity in ("light.hall", "fan.hall"):
        home.changed(30, entity, "off", "on", f"late {entity}")
    await home.write()

    for entity, service in (("light.hall", "light.turn_on"), ("fan.hall", "fan.turn_on")):
        one = (await data.why(entity=entity, state="on")).found[0]
        assert one.first_cause == "unknown"
        assert f"{service} was called for it" in one.sentence


@pytest.mark.parametrize(
    ("service", "at_s", "effect"),
    [("light.turn_off", 10, False), ("light.turn_on", -300, False), ("light.toggle", 10, True)],
)
async def test_change_by_itself_is_not_blamed_on_a_call_that_cannot_be_its_cause(
    home: RecordedHome, data: DataSyncService, service: str, at_s: float, effect: bool
) -> None:
    home.called(at_s, service, "light.hall", "p1", user="anna")
    if effect:
        home.changed(at_s + 0.1, "light.hall", "on", "off", "p1", user="anna")
    home.changed(30, "light.hall", "off", "on", "late")
    await home.write()

    assert titles(await data.why(entity="light.hall", state="on")) == [("device", "Hall light")]


@pytest.mark.parametrize(
    ("target", "effects", "words"),
    [
        ({"area_id": ["hall"]}, ["light.porch"], "light.turn_on was called for area hall 20 seconds earlier"),
        ({"area_id": ["attic"]}, [], ""),
        ({"label_id": ["evening"]}, [], "light.turn_on was called for label evening 20 seconds earlier"),
        ({"label_id": ["evening"]}, ["light.porch"], ""),
        ({"entity_id": ["group.lights"]}, [], "light.turn_on was called for group.lights 20 seconds earlier"),
        ({"entity_id": ["light.porch"]}, [], ""),
    ],
)
async def test_call_for_an_area_or_group_may_be_the_cause_of_a_late_change(
    home: RecordedHome, data: DataSyncService, target: dict[str, list[str]], effects: list[str], words: str
) -> None:
    for area in ("hall", "attic"):
        home.named(area, area.capitalize(), kind="area")
    home.called(10, "light.turn_on", "", "p1", user="anna", where=target)
    for entity in effects:
        home.changed(10.1, entity, "off", "on", "p1", user="anna")
    home.changed(30, "light.hall", "off", "on", "late")
    await home.write()

    why = await data.why(entity="light.hall", state="on")

    assert titles(why) == [("unknown", "unknown") if words else ("device", "Hall light")]
    assert words in why.sentence


@pytest.mark.parametrize("target", [{"area_id": ["hall"]}, {"label_id": ["evening"]}, {"entity_id": ["all"]}])
async def test_change_soon_after_a_call_for_an_area_is_not_blamed_on_the_call_if_it_is_for_the_opposite(
    home: RecordedHome, data: DataSyncService, target: dict[str, list[str]]
) -> None:
    home.called(10, "light.turn_on", "", "p1", user="anna", where=target)
    home.changed(10.1, "light.hall", "off", "on", "p1", user="anna")
    home.changed(13, "light.hall", "on", "off", "p1", user="anna")
    await home.write()

    assert titles(await data.why(entity="light.hall", state="off")) == [("unknown", "unknown")]
    assert titles(await data.why(entity="light.hall", state="on")) == [("person", "Anna")]


@pytest.mark.parametrize("state", ["off", "unavailable"])
async def test_change_soon_after_a_call_for_the_opposite_is_not_blamed_on_the_call(
    home: RecordedHome, data: DataSyncService, state: str
) -> None:
    # For five seconds, Home Assistant gives the context of a call to each change of the entity.
    home.called(10, "light.turn_on", "light.hall", "p1", user="anna")
    home.changed(10.1, "light.hall", "off", "on", "p1", user="anna")
    home.changed(13, "light.hall", "on", state, "p1", user="anna")
    home.run(
        20, MOTION, change("binary_sensor.door", "off", "on", "d1"), calls=[call("light.turn_on", "light.hall", "a1")]
    )
    home.changed(20.1, "light.hall", state, "on", "a1", user=OWN_USER)
    home.changed(23, "light.hall", "on", state, "a1", user=OWN_USER)
    await home.write()

    for at_s in (13, 23):
        why = await data.why(entity="light.hall", state=state, at=AskedTime.moment(home.us(at_s)))
        assert titles(why) == [("unknown", "unknown")]
        assert f"light.turn_on, called 3 seconds earlier, which does not lead to {state}" in why.sentence
    for at_s, kind in ((10, "person"), (20, "app")):
        assert titles(await data.why(entity="light.hall", state="on", at=AskedTime.moment(home.us(at_s))))[0][0] == kind


async def test_script_that_has_ended_and_light_with_brightness_0_are_off_because_of_their_call(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(10, "script.turn_on", "script.film", "p1", user="anna")
    home.changed(10.1, "script.film", "off", "on", "p1", user="anna")
    home.changed(12, "script.film", "on", "off", "p1", user="anna")
    dark = call("light.turn_on", "light.hall", "a1", data='{"brightness":0}')
    home.run(20, MOTION, change("binary_sensor.door", "off", "on", "d1"), calls=[dark])
    home.changed(20.1, "light.hall", "on", "off", "a1", user=OWN_USER)
    await home.write()

    assert titles(await data.why(entity="script.film", state="off")) == [("person", "Anna")]
    assert titles(await data.why(entity="light.hall", state="off"))[0][0] == "app"


async def test_call_of_a_context_that_can_lead_to_the_state_is_shown(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "light.turn_on", "light.hall", "p1", user="anna")
    home.changed(10.1, "light.hall", "off", "on", "p1", user="anna")
    home.called(11, "light.turn_off", "light.hall", "p1", user="anna")
    home.changed(11.1, "light.hall", "on", "off", "p1", user="anna")
    await home.write()

    one = (await data.why(entity="light.hall", state="on")).found[0]

    assert one.first_cause == "person"
    assert one.call is not None
    assert one.call.service == "light.turn_on"


async def test_person_who_activated_a_scene_is_shown_with_the_scene(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "scene.turn_on", "scene.film", "p1", user="anna")
    home.called(10.1, "light.turn_on", "light.hall", "p1", user="anna")
    home.changed(10.2, "light.hall", "off", "on", "p1", user="anna")
    await home.write()

    one = (await data.why(entity="light.hall")).found[0]

    assert one.sentence.endswith(" because Anna called scene.turn_on.")
    assert one.call is not None
    assert one.call.service == "light.turn_on"


@pytest.mark.parametrize(("old", "new"), [("on", "unavailable"), ("unavailable", "on"), (None, "on"), ("on", None)])
async def test_entity_without_a_state_does_not_change_by_itself(
    home: RecordedHome, data: DataSyncService, old: str | None, new: str | None
) -> None:
    home.changed(10, "light.hall", old, new, "d1")
    await home.write()

    assert titles(await data.why(entity="light.hall")) == [("unknown", "unknown")]


@pytest.mark.parametrize("again", [False, True])
async def test_change_with_a_context_from_before_the_connection_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService, again: bool
) -> None:
    if again:
        home.event(80, "connection_lost", "home_assistant")
        home.event(100, "connection_restored", "home_assistant")
    else:
        home.connect(100)
    for at_s in (200, 210, 220):
        home.changed(at_s, "light.porch", "off", "on", home.context(at_s))
    home.changed(301, "light.hall", "off", "on", home.context(99))
    home.changed(302, "fan.hall", "off", "on", home.context(301.9))
    await home.write()

    begun, alone = await data.why(entity="light.hall"), await data.why(entity="fan.hall")

    assert titles(begun) == [("unknown", "unknown")]
    assert begun.sentence.endswith(
        "the context of the change is older than the connection to Home Assistant, so the cause of the change is not "
        "recorded."
    )
    assert titles(alone) == [("device", "fan.hall")]


@pytest.mark.parametrize("ahead_s", [-5, 5])
async def test_age_of_a_context_is_measured_by_the_clock_of_home_assistant(
    home: RecordedHome, data: DataSyncService, ahead_s: int
) -> None:
    home.connect(100)
    for at_s in (101, 102, 103):
        home.changed(at_s, "light.porch", "off", "on", home.context(at_s + ahead_s))
    home.changed(104, "light.hall", "off", "on", home.context(98 + ahead_s))
    home.changed(104.5, "fan.hall", "off", "on", home.context(104.4 + ahead_s))
    await home.write()

    assert titles(await data.why(entity="light.hall")) == [("unknown", "unknown")]
    assert titles(await data.why(entity="fan.hall")) == [("device", "fan.hall")]


@pytest.mark.parametrize("connected_s", [None, 400])
async def test_change_is_not_unknown_because_the_time_of_the_connection_is_not_known(
    home: RecordedHome, data: DataSyncService, connected_s: int | None
) -> None:
    if connected_s is not None:  # a corrected clock
        home.connect(connected_s)
    home.changed(104, "light.hall", "off", "on", home.context(103))
    await home.write()

    assert titles(await data.why(entity="light.hall")) == [("device", "Hall light")]
