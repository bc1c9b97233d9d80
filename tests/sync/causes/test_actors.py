"""The automation or script of a context that acted, and changes that only seem to be the effect of a call."""

import pytest

from hassette_sync import AskedTime, DataSyncService
from support.recorded_home import OWN_USER, RecordedHome, call, change, titles
from support.rows import Due, Job, Listener

MOTION = Listener("on_motion", "motion_light", "hall")
LIGHT = Listener("on_light", "presence", "default")
EVENING, DIM, WARM = "automation.evening", "script.dim", "script.warm"


async def causes(data: DataSyncService, home: RecordedHome, entity: str, at_s: float, state: str | None = None) -> str:
    """Return the titles of the causes of the change nearest to a time."""
    why = await data.why(entity=entity, at=AskedTime.moment(home.us(at_s)), state=state)
    return ", ".join(title for _, title in titles(why))


async def test_script_that_has_ended_and_script_that_began_later_are_no_causes(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, EVENING, "time", "a1")
    for at_s, script in ((10.1, DIM), (12, WARM)):
        home.automation(at_s, script, "", "a1")
        home.changed(at_s + 0.01, script, "off", "on", "a1")
        home.called(at_s + 0.1, "light.turn_on", f"light.{script[-3:]}", "a1")
        home.changed(at_s + 0.2, f"light.{script[-3:]}", "off", "on", "a1")
        home.changed(at_s + 0.3, script, "on", "off", "a1")
    home.called(14, "light.turn_on", "light.hall", "a1")
    home.changed(14.1, "light.hall", "off", "on", "a1")
    await home.write()

    assert await causes(data, home, "light.dim", 10.3) == f"{DIM}, {EVENING}"
    assert await causes(data, home, "light.arm", 12.2) == f"{WARM}, {EVENING}"
    assert await causes(data, home, "light.hall", 14.1) == EVENING
    why = await data.why(service="light.turn_on")
    assert [[cause.title for cause in one.causes] for one in why.found] == [
        [EVENING],
        [WARM, EVENING],
        [DIM, EVENING],
    ]


async def test_automation_that_is_recorded_somewhat_after_the_arrival_of_its_effect_is_the_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    # A busy machine reads the messages of the automation, of its change and of its event later than they arrive.
    home.automation(10.02, EVENING, "time", "a1")
    home.changed(10.03, "input_boolean.night", "off", "on", "a1")
    events = (change("input_boolean.night", "off", "on", "a1"), change("", None, None, "a1", event_type="dark"))
    for number, event in enumerate(events):
        sent = event._replace(entity_id=event.entity_id or None)
        context, light = f"ours{number}", f"light.number_{number}"
        calls = [call("light.turn_on", light, context)]
        home.run(10.04 + number * 0.01, LIGHT, sent, calls=calls, waited_us=45_000, duration_s=0.1)
        home.changed(10.15, light, "off", "on", context, user=OWN_USER)
    await home.write()

    for number in range(len(events)):
        assert await causes(data, home, f"light.number_{number}", 10.15) == f"presence.on_light, {EVENING}"


async def test_device_that_reports_after_the_end_of_the_script_follows_the_call_of_the_script(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, EVENING, "time", "a1")
    home.automation(10.1, DIM, "", "a1")
    home.changed(10.2, DIM, "off", "on", "a1")
    home.called(10.3, "light.turn_on", "light.hall", "a1")
    home.changed(10.4, DIM, "on", "off", "a1")
    home.changed(12, "light.hall", "off", "on", "a1")
    await home.write()

    assert await causes(data, home, "light.hall", 12) == f"{DIM}, {EVENING}"


async def test_script_that_an_automation_does_not_wait_for_is_the_cause_only_if_it_ends_with_the_change(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, EVENING, "time", "a1")
    home.called(10.1, "script.turn_on", DIM, "a1")
    home.automation(10.2, DIM, "", "a1")
    home.changed(10.3, DIM, "off", "on", "a1")
    home.changed(11, "light.hall", "off", "on", "a1")
    home.changed(13, "light.stairs", "off", "on", "a1")
    home.changed(13.01, DIM, "on", "off", "a1")
    await home.write()

    why = await data.why(entity="light.hall")
    assert titles(why) == [("automation", EVENING)]
    assert "and started script.dim, which may have caused it" in why.sentence
    assert await causes(data, home, "light.stairs", 13) == f"{DIM}, {EVENING}"


async def test_light_that_is_switched_by_hand_soon_after_an_automation_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    # For five seconds, Home Assistant gives the context of the call to each change of the light.
    home.automation(10, EVENING, "time", "a1")
    home.called(10.1, "light.turn_on", "light.hall", "a1")
    home.changed(10.2, "light.hall", "off", "on", "a1")
    home.changed(13, "light.hall", "on", "off", "a1")
    home.called(60, "light.turn_off", "light.hall", "a1")
    home.changed(60.1, "light.hall", "on", "off", "a1")
    await home.write()

    assert await causes(data, home, "light.hall", 10.2, "on") == EVENING
    assert await causes(data, home, "light.hall", 13, "off") == "unknown"
    assert await causes(data, home, "light.hall", 60.1, "off") == EVENING


async def test_light_that_is_switched_by_hand_soon_after_the_script_of_an_app_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(10, MOTION, change("binary_sensor.hall", "off", "on", "d1"), calls=[call("script.dim", "", "ours")])
    home.automation(10.1, DIM, "", "ours", user_id=OWN_USER)
    home.called(10.2, "light.turn_on", "light.hall", "ours", user=OWN_USER)
    home.changed(10.3, "light.hall", "off", "on", "ours", user=OWN_USER)
    home.changed(13, "light.hall", "on", "off", "ours", user=OWN_USER)
    await home.write()

    assert (
        await causes(data, home, "light.hall", 10.3, "on") == f"{DIM}, motion_light.hall.on_motion, binary_sensor.hall"
    )
    assert await causes(data, home, "light.hall", 13, "off") == "unknown"


async def test_call_that_is_followed_at_once_is_the_cause_of_the_opposite_state(
    home: RecordedHome, data: DataSyncService
) -> None:
    # The data of the call are not recorded. With brightness 0, it turns the light off.
    home.called(10, "light.turn_on", "light.hall", "p1", user="anna")
    home.changed(10.1, "light.hall", "on", "off", "p1", user="anna")
    await home.write()

    assert await causes(data, home, "light.hall", 10) == "Anna"


async def test_light_that_changes_back_after_a_toggle_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(10, "light.toggle", "light.hall", "p1", user="anna")
    home.changed(10.1, "light.hall", "on", "off", "p1", user="anna")
    home.changed(12, "light.hall", "off", "on", "p1", user="anna")
    await home.write()

    assert await causes(data, home, "light.hall", 10.1, "off") == "Anna"
    assert await causes(data, home, "light.hall", 12, "on") == "unknown"


async def test_automation_that_toggles_again_and_again_is_the_cause_each_time(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, EVENING, "time", "a1")
    for at_s, old, new in ((11, "off", "on"), (12, "on", "off"), (13, "off", "on")):
        home.called(at_s, "light.toggle", "light.hall", "a1")
        home.changed(at_s + 0.1, "light.hall", old, new, "a1")
    await home.write()

    for at_s in (11, 12, 13):
        assert await causes(data, home, "light.hall", at_s + 0.1) == EVENING


async def test_entity_that_is_renamed_soon_after_a_call_is_not_blamed_on_the_call(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, EVENING, "time", "a1")
    home.called(10.1, "light.turn_on", "light.hall", "a1")
    home.changed(10.2, "light.hall", "off", "on", "a1")
    home.changed(12, "light.hall", "on", None, "a1")
    home.changed(12.1, "light.renamed", None, "off", "a1")
    home.called(20, "scene.create", "", "p1", user="anna")
    home.changed(20.1, "scene.made", None, "unknown", "p1", user="anna")
    await home.write()

    assert await causes(data, home, "light.hall", 12) == "unknown"
    assert await causes(data, home, "light.renamed", 12.1) == "unknown"
    assert await causes(data, home, "scene.made", 20.1) == "Anna"


async def test_end_of_a_script_that_was_started_again_is_unknown_unless_a_call_stopped_it(
    home: RecordedHome, data: DataSyncService
) -> None:
    for at_s, context, user in ((10, "p1", "anna"), (15, "p2", "ben"), (100, "p3", "anna"), (105, "p4", "ben")):
        home.called(at_s, "script.turn_on", DIM, context, user=user)
        home.automation(at_s + 0.1, DIM, "", context, user_id=user)
    home.changed(10.2, DIM, "off", "on", "p1", user="anna")
    home.changed(18, DIM, "on", "off", "p2", user="ben")
    home.changed(100.2, DIM, "off", "on", "p3", user="anna")
    home.called(107, "script.turn_off", DIM, "p5", user="anna")
    home.changed(107.0001, DIM, "on", "off", "p4", user="ben")  # Home Assistant before 2026 keeps the context
    await home.write()

    assert await causes(data, home, DIM, 10.2, "on") == f"{DIM}, Anna"
    assert await causes(data, home, DIM, 18, "off") == "unknown"
    assert await causes(data, home, DIM, 107, "off") == "Anna"


async def test_script_that_an_app_stops_ends_because_of_the_app(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "script.turn_on", DIM, "p1", user="anna")
    home.automation(10.1, DIM, "", "p1", user_id="anna")
    home.changed(10.2, DIM, "off", "on", "p1", user="anna")
    stopping = call("script.turn_off", DIM, "ours")
    home.run(30.0005, MOTION, change("binary_sensor.hall", "off", "on", "d1"), calls=[stopping])
    home.changed(30, DIM, "on", "off", "end")
    await home.write()

    assert await causes(data, home, DIM, 30, "off") == "motion_light.hall.on_motion, binary_sensor.hall"


async def test_event_of_a_timer_leads_to_the_start_of_the_timer(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "timer.start", "timer.tea", "p1", user="anna")
    home.changed(10.1, "timer.tea", "idle", "active", "p1", user="anna")
    home.changed(70, "timer.tea", "active", "idle", "t1")
    home.sent(70.01, "timer.finished", "e1", timer="timer.tea")
    home.automation(70.02, EVENING, "event 'timer.finished'", "a1", parent="e1")
    home.changed(70.1, "light.hall", "off", "on", "a1", parent="e1")
    handled = change("timer.tea", None, None, "e2", event_type="timer.finished")
    home.run(70.2, LIGHT, handled, calls=[call("light.turn_on", "light.stairs", "ours")])
    home.changed(70.21, "light.stairs", "off", "on", "ours", user=OWN_USER)
    await home.write()

    assert await causes(data, home, "light.hall", 70.1) == f"{EVENING}, Anna"
    assert await causes(data, home, "light.stairs", 70.21) == "presence.on_light, Anna"


async def test_event_that_an_app_emitted_leads_to_the_run_of_this_app(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(10, Job("tidy", "cleaner"), Due(home.us(10)), calls=[call("bus.emit", "", "call")])
    emitted = change("", None, None, "event", event_type="tidied", parent_id="call")._replace(entity_id=None)
    home.run(10.2, LIGHT, emitted, calls=[call("light.turn_on", "light.hall", "ours")])
    home.changed(10.3, "light.hall", "off", "on", "ours", user=OWN_USER)
    await home.write()

    why = await data.why(entity="light.hall")

    assert titles(why) == [("app", "presence.on_light"), ("scheduled", "cleaner.main.tidy")]


@pytest.mark.parametrize(
    ("followed", "expected"),
    [
        ("input_number.level", "Anna"),
        ("sensor.level", "binary_sensor.high"),
        ("input_number.other", "unknown"),
        ("threshold", "unknown"),
    ],
)
async def test_entity_that_follows_another_one_changes_because_of_that(
    home: RecordedHome, data: DataSyncService, followed: str, expected: str
) -> None:
    home.named("binary_sensor.high", followed, kind="follower")
    home.called(10, "input_number.set_value", "input_number.level", "p1", user="anna")
    home.changed(10.1, "input_number.level", "1", "9", "p1", user="anna")
    home.changed(10.11, "binary_sensor.high", "off", "on", "h1")
    await home.write()

    assert await causes(data, home, "binary_sensor.high", 10.11) == expected


async def test_changes_without_a_connection_are_named_as_missing(home: RecordedHome, data: DataSyncService) -> None:
    home.changed(10, "light.hall", "on", "off", "d1")
    home.event(20, "connection_lost", "link")
    home.event(30, "connection_restored", "link")
    await home.write()

    why = await data.why(entity="light.hall", state="on")

    assert why.sentence.startswith("No change of Hall light to on is recorded in this time. ")
    assert any(
        one.startswith("Hassette was not connected to Home Assistant for some time from ") for one in why.missing
    )


async def test_automations_between_two_runs_do_not_break_the_waterfall(
    home: RecordedHome, data: DataSyncService
) -> None:
    began = change("binary_sensor.hall", "off", "on", "d1")
    first = home.run(10, MOTION, began, calls=[call("input_boolean.turn_on", "input_boolean.night", "ours")])
    home.changed(10.01, "input_boolean.night", "off", "on", "ours", user=OWN_USER)
    home.automation(10.02, EVENING, "state of input_boolean.night", "a1", parent="ours")
    home.changed(10.03, "input_boolean.late", "off", "on", "a1", parent="ours")
    home.automation(70, "automation.late", "state of input_boolean.late", "a2", parent="a1")
    home.changed(70.01, "light.hall", "off", "on", "a2", parent="a1")
    last = home.run(70.02, LIGHT, change("light.hall", "off", "on", "a2", parent_id="a1"))
    await home.write()

    shapes = [[(row.kind, row.title) for row in (await data.waterfall(run)).rows] for run in (first, last)]

    assert shapes[0] == shapes[1]
    runs = [title for kind, title in shapes[0] if kind == "run"]
    assert runs == ["motion_light.hall.on_motion", "presence.on_light"]


async def test_run_that_automations_caused_much_later_is_in_its_own_waterfall(
    home: RecordedHome, data: DataSyncService
) -> None:
    began = change("binary_sensor.hall", "off", "on", "d1")
    home.run(10, MOTION, began, calls=[call("input_boolean.turn_on", "input_boolean.night", "ours")])
    home.automation(1_200, EVENING, "state of input_boolean.night", "a1", parent="ours")
    home.automation(1_201, "automation.late", "state of input_boolean.late", "a2", parent="a1")
    last = home.run(1_202, LIGHT, change("light.hall", "off", "on", "a2", parent_id="a1"))
    await home.write()

    rows = (await data.waterfall(last)).rows

    assert [row.title for row in rows if row.kind == "run"] == ["motion_light.hall.on_motion", "presence.on_light"]


async def test_run_that_started_a_timer_is_in_the_waterfall_of_the_run_at_its_end(
    home: RecordedHome, data: DataSyncService
) -> None:
    began = change("input_boolean.tea", "off", "on", "p1", user_id="anna")
    home.called(9.9, "input_boolean.turn_on", "input_boolean.tea", "p1", user="anna")
    home.run(10, MOTION, began, calls=[call("timer.start", "timer.tea", "ours")])
    home.changed(10.1, "timer.tea", "idle", "active", "ours", user=OWN_USER)
    home.changed(70, "timer.tea", "active", "idle", "t1")
    ended = home.run(70.2, LIGHT, change("timer.tea", None, None, "e1", event_type="timer.finished"))
    await home.write()

    rows = (await data.waterfall(ended)).rows

    assert [(row.kind, row.title) for row in rows] == [
        ("origin", "Anna"),
        ("run", "motion_light.hall.on_motion"),
        ("event", "timer.tea"),
        ("run", "presence.on_light"),
    ]
    assert [row.depth for row in rows] == [0, 1, 2, 3]
