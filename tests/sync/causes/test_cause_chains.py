"""Chains of causes that return to the explained change, and chains with more causes than a question reads."""

import pytest

from hassette_sync import AskedTime, DataSyncService
from hassette_sync.answers.explanations import Explained
from support.recorded_home import OWN_USER, RecordedHome, call, change
from support.rows import Listener

LIGHT = Listener("on_light", "presence", "default")
DIM = "script.dim"


async def explained(data: DataSyncService, home: RecordedHome, entity: str, at_s: float, state: str) -> Explained:
    """Return the explanation of the change nearest to a time."""
    why = await data.why(entity=entity, at=AskedTime.moment(home.us(at_s)), state=state)
    return why.found[0]


def causes_of(one: Explained) -> list[str]:
    return [cause.title for cause in one.causes]


async def test_script_that_an_automation_triggered_by_it_stops_leads_to_the_start_of_the_script(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(10, "script.turn_on", DIM, "x", user="anna")
    home.automation(10.1, DIM, "", "x", user_id="anna")
    home.changed(10.2, DIM, "off", "on", "x", user="anna")
    home.automation(10.3, "automation.stop", f"state of {DIM}", "c2", parent="x")
    home.called(10.4, "script.turn_off", DIM, "c2", parent="x")
    home.changed(10.5, DIM, "on", "off", "x", user="anna")
    await home.write()

    ended = await explained(data, home, DIM, 10.5, "off")

    assert causes_of(ended) == ["automation.stop", DIM, "Anna"]
    assert ended.causes[0].change is not None
    assert ended.causes[0].change.new_state == "on"


async def test_run_that_the_end_of_a_script_triggered_has_not_stopped_the_script(
    home: RecordedHome, data: DataSyncService
) -> None:
    # The record of the end has the time of its whole millisecond, so the call of the run is not known to be later.
    home.automation(10, DIM, "", "x", user_id="anna")
    home.changed(10.1, DIM, "off", "on", "x", user="anna")
    home.changed(12, DIM, "on", "off", "x", user="anna")
    stopped = call("script.turn_off", DIM, "ours")
    home.run(12.0004, LIGHT, change(DIM, "on", "off", "x", user_id="anna"), calls=[stopped])
    await home.write()

    assert causes_of(await explained(data, home, DIM, 12, "off")) == [DIM, "Anna"]


async def test_chain_of_many_emitted_events_ends_as_unknown(home: RecordedHome, data: DataSyncService) -> None:
    for number in range(400):
        emitted = change("", None, None, f"event{number}", event_type="step", parent_id=f"call{number - 1}")
        calls = [call("bus.emit", "", f"call{number}")]
        home.run(10 + number / 100, LIGHT, emitted._replace(entity_id=None), calls=calls)
    last = change("", None, None, "event", event_type="step", parent_id="call399")._replace(entity_id=None)
    home.run(20, LIGHT, last, calls=[call("light.turn_on", "light.hall", "ours")])
    home.changed(20.1, "light.hall", "off", "on", "ours", user=OWN_USER)
    await home.write()

    one = await explained(data, home, "light.hall", 20.1, "on")

    assert causes_of(one) == ["presence.on_light"] * 20 + ["unknown"]
    assert one.missing == "the chain has more than 20 causes, or it leads back to one of its causes."


@pytest.mark.parametrize("followed", ["binary_sensor.a", "binary_sensor.b"])
async def test_entities_that_follow_themselves_or_each_other_change_by_themselves(
    home: RecordedHome, data: DataSyncService, followed: str
) -> None:
    home.named("binary_sensor.a", followed, kind="follower")
    home.named("binary_sensor.b", "binary_sensor.a", kind="follower")
    home.changed(10, "binary_sensor.a", "off", "on", "h1")
    home.changed(10, "binary_sensor.b", "off", "on", "h2")
    await home.write()

    for entity in ("binary_sensor.a", "binary_sensor.b"):
        one = await explained(data, home, entity, 10, "on")
        assert (one.first_cause, one.missing) == ("device", "")


@pytest.mark.parametrize(
    ("followed", "missing"),
    [
        ("input_number.level", "follows input_number.level, and no change of it is recorded in the second before."),
        ("min_max", "follows other entities (min_max), and Home Assistant does not report which change it followed."),
    ],
)
async def test_entity_that_follows_an_unknown_change_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService, followed: str, missing: str
) -> None:
    home.named("binary_sensor.high", followed, kind="follower")
    home.changed(10, "binary_sensor.high", "off", "on", "h1")
    await home.write()

    one = await explained(data, home, "binary_sensor.high", 10, "on")
    assert (one.first_cause, one.missing) == ("unknown", f"the entity {missing}")


async def test_automation_that_repeats_its_actions_for_hours_is_the_cause_of_each_of_them(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, "automation.blink", "time", "a1")
    for number in range(700):
        at_s = 11 + number
        state, old = ("on", "off") if number % 2 == 0 else ("off", "on")
        home.called(at_s, f"light.turn_{state}", "light.hall", "a1")
        home.changed(at_s + 0.1, "light.hall", old, state, "a1")
    await home.write()

    for number in (0, 60, 640, 698):
        one = await explained(data, home, "light.hall", 11.1 + number, "on")
        assert causes_of(one) == ["automation.blink"], number
        assert one.call is not None
        assert one.call.at_us == home.us(11 + number)


async def test_light_that_changes_back_after_hundreds_of_toggles_has_an_unknown_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, "automation.blink", "time", "a1")
    for number in range(60):
        home.called(11 + number, "light.toggle", "light.hall", "a1")
        old, new = ("off", "on") if number % 2 == 0 else ("on", "off")
        home.changed(11.1 + number, "light.hall", old, new, "a1")
    home.called(80, "light.toggle", "light.hall", "a1")
    home.changed(80.1, "light.hall", "off", "on", "a1")
    home.changed(82, "light.hall", "on", "off", "a1")
    await home.write()

    assert (await explained(data, home, "light.hall", 80.1, "on")).first_cause == "automation"
    assert (await explained(data, home, "light.hall", 82, "off")).first_cause == "unknown"


async def test_last_of_many_changes_with_a_context_triggered_an_automation(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, "automation.blink", "time", "a1")
    for number in range(80):
        home.changed(11 + number, f"light.number_{number}", "off", "on", "a1")
    home.automation(91, "automation.react", "state", "b1", parent="a1")
    home.changed(91.1, "light.hall", "off", "on", "b1", parent="a1")
    await home.write()

    one = await explained(data, home, "light.hall", 91.1, "on")

    assert causes_of(one) == ["automation.react", "automation.blink"]
    assert one.causes[0].change is not None
    assert one.causes[0].change.entity.entity_id == "light.number_79"


async def test_change_after_the_start_of_an_automation_is_not_its_trigger(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(30, "input_button.press", "switch.button", "p1", user="anna")
    home.changed(30, "switch.button", "off", "on", "p1", user="anna")
    home.automation(30.1, "automation.react", "state of switch.button", "b1", parent="p1")
    home.changed(30.3, "light.hall", "off", "on", "b1", parent="p1")
    home.changed(30.5, "switch.button", "on", "off", "p1", user="anna")
    await home.write()

    one = await explained(data, home, "light.hall", 30.3, "on")

    assert causes_of(one) == ["automation.react", "Anna"]
    assert one.causes[0].change is not None
    assert one.causes[0].change.new_state == "on"


async def test_trigger_that_is_recorded_after_its_automation_is_found(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(30, "input_button.press", "switch.button", "p1", user="anna")
    home.automation(30.1, "automation.react", "state of switch.button", "b1", parent="p1")
    home.changed(30.6, "switch.button", "off", "on", "p1", user="anna")
    home.changed(30.7, "light.hall", "off", "on", "b1", parent="p1")
    home.changed(30.9, "switch.button", "on", "off", "p1", user="anna")
    await home.write()

    one = await explained(data, home, "light.hall", 30.7, "on")

    assert one.causes[0].change is not None
    assert one.causes[0].change.new_state == "on"


async def test_event_whose_emitting_run_is_not_recorded_may_be_of_an_app(
    home: RecordedHome, data: DataSyncService
) -> None:
    emitted = change("", None, None, "event", event_type="tidied", parent_id="call")._replace(entity_id=None)
    home.run(10.2, LIGHT, emitted, calls=[call("light.turn_on", "light.hall", "ours")])
    home.changed(10.3, "light.hall", "off", "on", "ours", user=OWN_USER)
    await home.write()

    one = await explained(data, home, "light.hall", 10.3, "on")

    assert causes_of(one) == ["presence.on_light", "unknown"]
    assert one.missing.endswith("in Home Assistant caused it, or an app whose run is not recorded.")


async def test_call_before_a_change_is_found_although_thousands_of_calls_follow(
    home: RecordedHome, data: DataSyncService
) -> None:
    pressed = change("binary_sensor.door", "off", "on", "d1")
    home.run(10, LIGHT, pressed, calls=[call("light.turn_on", "light.hall", "ours")])
    home.changed(13, "light.hall", "off", "on", "h1")
    home.run(20, LIGHT, pressed, calls=[call("light.turn_on", "light.porch", f"o{number}") for number in range(6_000)])
    await home.write()

    one = await explained(data, home, "light.hall", 13, "on")

    assert one.first_cause == "unknown"
    assert "light.turn_on was called for it 3 seconds earlier" in one.missing
