"""Causes in the home: persons, automations, scripts, devices, and chains of them."""

import pytest

from hassette_sync import AskedTime, DataSyncService
from hassette_sync.answers.explanations import Explained
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.terminal.explanations import why as terminal_why
from support.recorded_home import OWN_USER, RecordedHome, call, change, titles
from support.rows import Due, Job, Listener

MOTION = Listener("on_motion", "motion_light", "hall")
LIGHT = Listener("on_light", "presence", "default")


@pytest.fixture
def home(home: RecordedHome) -> RecordedHome:
    home.named("input_boolean.night", "Night mode")
    home.named("automation.evening", "Evening")
    return home


async def explained(data: DataSyncService, entity: str = "light.hall") -> Explained:
    why = await data.why(entity=entity)
    assert len(why.found) == 1, why
    return why.found[0]


async def test_person_who_used_a_service_is_named(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "light.turn_on", "light.hall", "p1", user="anna")
    home.changed(10.1, "light.hall", "off", "on", "p1", user="anna")
    await home.write()

    one = await explained(data)

    assert [(cause.kind, cause.title) for cause in one.causes] == [("person", "Anna")]
    assert one.is_complete
    assert one.call is not None
    assert one.sentence.startswith("Hall light turned on at ")
    assert one.sentence.endswith(" because Anna called light.turn_on.")


async def test_person_with_the_user_of_hassette_is_named_if_the_call_is_not_ours(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(10, "light.turn_on", "light.hall", "p1", user=OWN_USER)
    home.changed(10.1, "light.hall", "off", "on", "p1", user=OWN_USER)
    await home.write()

    assert (await explained(data)).first_cause == "person"


async def test_change_with_the_user_of_hassette_and_without_a_recorded_call_is_unknown(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(10.1, "light.hall", "off", "on", "p1", user=OWN_USER)
    await home.write()

    assert (await explained(data)).first_cause == "unknown"


async def test_automation_leads_to_the_person_who_changed_its_trigger(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.called(10, "input_boolean.turn_on", "input_boolean.night", "p1", user="anna")
    home.changed(10.1, "input_boolean.night", "off", "on", "p1", user="anna")
    home.automation(
        10.2,
        *("automation.evening", "state of input_boolean.night", "a1"),
        parent="p1",
        item_id="1234",
        trace_id="abc",
    )
    home.called(10.3, "light.turn_on", "light.hall", "a1", parent="p1")
    home.changed(10.4, "light.hall", "off", "on", "a1", parent="p1")
    await home.write()

    why = await data.why(entity="light.hall")

    assert titles(why) == [("automation", "Evening"), ("person", "Anna")]
    automation = why.found[0].causes[0]
    assert automation.link == "/config/automation/trace/1234?run_id=abc"
    assert automation.change is not None
    assert automation.change.entity.entity_id == "input_boolean.night"
    assert automation.call is not None
    assert "because the automation Evening ran (state of input_boolean.night). It began with Anna." in why.sentence


async def test_automation_by_time_is_the_first_cause(home: RecordedHome, data: DataSyncService) -> None:
    home.automation(10, "automation.evening", "time pattern", "a1")
    home.changed(10.1, "light.hall", "off", "on", "a1")
    await home.write()

    one = await explained(data)

    assert one.first_cause == "automation"
    assert one.is_complete


async def test_automation_whose_trigger_is_a_sensor_is_named_and_the_rest_is_stated_as_not_recorded(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, "automation.evening", "state of binary_sensor.door", "a1", parent="never seen")
    home.changed(10.1, "light.hall", "off", "on", "a1", parent="never seen")
    await home.write()

    one = await explained(data)

    assert [cause.kind for cause in one.causes] == ["automation"]
    assert not one.is_complete
    assert "The event that triggered it (state of binary_sensor.door) is not recorded." in one.sentence


async def test_sensor_that_triggered_an_automation_is_found_through_a_run_that_it_triggered(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(9.99, MOTION, change("binary_sensor.door", "off", "on", "d1"))
    home.automation(10, "automation.evening", "state of binary_sensor.door", "a1", parent="d1")
    home.changed(10.1, "light.hall", "off", "on", "a1", parent="d1")
    await home.write()

    why = await data.why(entity="light.hall")

    assert titles(why) == [("automation", "Evening"), ("device", "binary_sensor.door")]


async def test_script_within_an_automation_is_a_separate_step(home: RecordedHome, data: DataSyncService) -> None:
    home.automation(10, "automation.evening", "time", "a1")
    home.automation(10.1, "script.dim", "Dim", "a1")
    home.changed(10.2, "light.hall", "off", "on", "a1")
    await home.write()

    assert titles(await data.why(entity="light.hall")) == [("script", "script.dim"), ("automation", "Evening")]


async def test_script_that_an_app_called_leads_to_the_app(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, change("binary_sensor.hall", "off", "on", "d1"), calls=[call("script.dim", "", "ours")])
    home.automation(10.1, "script.dim", "Dim", "ours", user_id=OWN_USER)
    home.changed(10.2, "light.hall", "off", "on", "ours", user=OWN_USER)
    await home.write()

    why = await data.why(entity="light.hall")

    assert [kind for kind, _ in titles(why)] == ["script", "app", "device"]


async def test_automation_that_an_app_triggered_leads_to_the_app(home: RecordedHome, data: DataSyncService) -> None:
    home.run(
        10, Job("tidy", "cleaner"), Due(home.us(10)), calls=[call("automation.trigger", "automation.evening", "c")]
    )
    home.automation(10.1, "automation.evening", "", "a1", parent="c")
    home.changed(10.2, "light.hall", "off", "on", "a1", parent="c")
    await home.write()

    assert [kind for kind, _ in titles(await data.why(entity="light.hall"))] == ["automation", "scheduled"]


async def test_app_that_reacts_to_an_automation_leads_to_the_automation(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.automation(10, "automation.evening", "time", "a1")
    home.changed(10.1, "input_boolean.night", "off", "on", "a1")
    home.run(
        10.2,
        LIGHT,
        change("input_boolean.night", "off", "on", "a1"),
        calls=[call("light.turn_on", "light.hall", "ours")],
    )
    home.changed(10.3, "light.hall", "off", "on", "ours", user=OWN_USER)
    await home.write()

    one = await explained(data)

    assert [cause.kind for cause in one.causes] == ["app", "automation"]
    assert one.sentence.endswith(
        "because Night mode turned on and your app presence.on_light reacted to it. "
        "It began with the automation Evening."
    )


async def test_light_that_was_switched_at_the_device_is_a_change_of_the_device(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(10, "light.hall", "off", "on", "d1")
    await home.write()

    one = await explained(data)

    assert one.first_cause == "device"
    assert one.sentence.endswith("by itself: no person, app or automation caused it.")


@pytest.mark.parametrize("what", ["runs", "home_causes"])
async def test_light_does_not_switch_by_itself_if_causes_of_that_time_were_lost(
    home: RecordedHome, data: DataSyncService, what: str
) -> None:
    home.changed(10, "light.hall", "off", "on", "d1")
    home.lose(11, what)
    await home.write()

    assert (await explained(data)).first_cause == "unknown"


async def test_change_and_the_delayed_run_that_it_triggered_are_one_finding(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(10, "light.hall", "off", "on", "d1")
    run = home.run(130, LIGHT, change("light.hall", "off", "on", "d1"))
    await home.write()

    one = await explained(data)

    assert one.at_us == home.us(10)
    assert [reaction.id for reaction in one.reactions] == [run]


async def test_answer_without_a_change_names_the_changes_before_and_after(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(0, "light.hall", "off", "on", "d1")
    home.changed(1500, "light.hall", "on", "off", "d2")
    await home.write()

    why = await data.why(entity="light.hall", at=AskedTime.moment(home.us(750)))

    assert why.found == ()
    assert (why.before_us, why.after_us) == (home.us(0), home.us(1500))
    assert "No change of Hall light is recorded around" in why.sentence


async def test_change_before_a_searched_day_is_not_called_the_change_before(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(0, "light.hall", "off", "on", "d1")
    home.changed(1200, "light.hall", "on", "off", "d2")
    home.changed(1500, "light.hall", "off", "on", "d3")
    await home.write()

    why = await data.why(entity="light.hall", at=AskedTime(home.us(600), home.us(1800) - home.us(600)))

    assert [one.at_us for one in why.found] == [home.us(1500), home.us(1200)]
    assert why.before_us == home.us(0)
    shown = terminal_why(why, ShownTimes(HomeTime(), home.us(1800)))
    assert "\nThe last change before the searched time: " in shown
    assert "The change before" not in shown


async def test_changes_around_the_moment_are_found_among_thousands(home: RecordedHome, data: DataSyncService) -> None:
    for number in range(600):
        home.changed(number, "light.hall", "off" if number % 2 else "on", "on" if number % 2 else "off", f"c{number}")
    await home.write()

    why = await data.why(entity="light.hall", at=AskedTime.moment(home.us(61)), limit=3)

    assert [one.at_us for one in why.found] == [home.us(61), home.us(62), home.us(60)]


async def test_answer_without_a_change_states_what_may_be_missing(home: RecordedHome, data: DataSyncService) -> None:
    home.changed(0, "light.hall", "off", "on", "d1")
    home.run(1, MOTION, change("sensor.power", "1", "2", "s1"))
    home.lose(800, "home_changes", 3)
    await home.write()

    light = await data.why(entity="light.hall", at=AskedTime.moment(home.us(1200)))
    sensor = await data.why(entity="sensor.power", at=AskedTime.moment(home.us(1200)))
    stopped = await data.why(entity="light.hall", at=AskedTime.moment(home.us(-7200)))

    assert light.missing == ("3 changes of the home could not be recorded in this time.",)
    assert sensor.missing[0].startswith("A change of an entity that only measures, such as a sensor, is recorded only")
    assert stopped.missing == ("Hassette was not running at that time.",)


@pytest.mark.parametrize("words", ["Hall light", "HALL LIGHT", "light hall", "light.hall", "hall Light "])
async def test_entity_is_found_by_its_friendly_name(home: RecordedHome, data: DataSyncService, words: str) -> None:
    home.changed(10, "light.hall", "off", "on", "d1")
    await home.write()

    entity = (await data.why(entity=words)).entity

    assert entity is not None
    assert (entity.entity_id, entity.name, entity.area) == ("light.hall", "Hall light", "Hall")


async def test_name_that_several_entities_have_means_the_entity_that_changed(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.named("light.hall_2", "Hall light")
    home.changed(10, "light.hall", "off", "on", "d1")
    await home.write()

    why = await data.why(entity="hall light")

    assert [one.change.entity.entity_id for one in why.found if one.change] == ["light.hall"]
    assert [one.entity_id for one in why.suggestions] == ["light.hall_2"]


async def test_call_of_a_person_is_found_by_its_service(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "scene.turn_on", "scene.film", "p1", user="anna")
    await home.write()

    why = await data.why(service="scene.turn_on")

    assert titles(why) == [("person", "Anna")]
    assert why.sentence.startswith("scene.turn_on was called for scene.film at")


async def test_call_that_was_recorded_late_has_the_time_of_its_change(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(10, "light.hall", "off", "on", "p1", user=OWN_USER)
    home.called(40, "light.turn_on", "light.hall", "p1", user=OWN_USER)
    await home.write()

    why = await data.why(service="light.turn_on")

    assert why.found[0].at_us == home.us(10)
    assert why.found[0].first_cause == "person"


async def test_contexts_that_refer_to_each_other_end_as_unknown(home: RecordedHome, data: DataSyncService) -> None:
    home.automation(10, "automation.a", "state of light.b", "c1", parent="c2")
    home.changed(10.1, "light.hall", "off", "on", "c1", parent="c2")
    home.automation(10.2, "automation.b", "state of light.hall", "c2", parent="c1")
    home.changed(10.3, "light.b", "off", "on", "c2", parent="c1")
    await home.write()

    assert not (await explained(data)).is_complete


async def test_person_who_sent_the_event_that_triggered_an_automation_is_named(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.sent(9.9, "zha_event", "e1", user="anna")
    home.automation(10, "automation.evening", "event 'zha_event'", "a1", parent="e1")
    home.changed(10.1, "light.hall", "off", "on", "a1", parent="e1")
    await home.write()

    one = await explained(data)

    assert [(cause.kind, cause.title) for cause in one.causes] == [("automation", "Evening"), ("person", "Anna")]
    assert one.causes[1].text == "Anna sent the event zha_event"


async def test_call_of_an_app_outside_its_runs_names_the_app(home: RecordedHome, data: DataSyncService) -> None:
    home.called(10, "light.turn_on", "light.hall", "c1", user=OWN_USER, detail="motion_light.default")
    home.changed(10.1, "light.hall", "off", "on", "c1", user=OWN_USER)
    await home.write()

    one = await explained(data)

    assert [(cause.kind, cause.title) for cause in one.causes] == [("app", "motion_light")]
    assert one.is_complete
    assert one.sentence.endswith(
        " because your app motion_light called light.turn_on outside the runs of its handlers and jobs."
    )


async def test_person_who_started_a_job_by_hand_is_named(home: RecordedHome, data: DataSyncService) -> None:
    job = Job("darken", "presence", "default")
    home.event(9.99, "control_run_job", "presence.darken", "The job runs now. Requested by Anna’s phone.")
    home.run(10, job, Due(due_us=home.us(10), manual=True), calls=[call("light.turn_on", "light.hall", "c1")])
    home.run(1000, job, Due(due_us=home.us(1000), manual=True), calls=[call("light.turn_off", "light.hall", "c2")])
    home.changed(10.1, "light.hall", "off", "on", "c1", user=OWN_USER)
    home.changed(1000.1, "light.hall", "on", "off", "c2", user=OWN_USER)
    await home.write()

    on = await data.why(entity="light.hall", state="on")
    off = await data.why(entity="light.hall", state="off")

    assert titles(on) == [("app", "presence.darken"), ("person", "Anna’s phone")]
    assert titles(off) == [("app", "presence.darken"), ("unknown", "unknown")]
