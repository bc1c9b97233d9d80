"""The question *why*: the chain from a change or call back to its first cause, or *unknown*."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hassette_sync import AskedTime, BadQuestionError, DataSyncService
from hassette_sync.answers.explanations import Explained, Why
from hassette_sync.answers.kinds import EventTrigger
from hassette_sync.time_range import SECOND_US
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, call, change, recorded_home
from support.rows import Due, Event, Failure, Job, Listener, LogLine


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    async with recorded_home(tmp_path / "hassette.db") as home:
        yield home


@pytest.fixture
async def data(home: RecordedHome, tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(tmp_path / "hassette.db") as data:
        yield data


MOTION = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
LIGHT = Listener("on_light", "presence", "default", topic="state_changed.light.*")
TIDY = Job("tidy", "cleaner", "default")


def motion(context: str = "device 1") -> Event:
    return change("binary_sensor.hall", "off", "on", context)


def kinds(explained: Explained) -> list[str]:
    return [cause.kind for cause in explained.causes]


def only(why: Why) -> Explained:
    (explained,) = why.found
    return explained


async def test_light_that_an_app_turned_on_leads_to_the_sensor_that_triggered_the_app(
    home: RecordedHome, data: DataSyncService
) -> None:
    run = home.run(10, MOTION, motion(), calls=[call("light.turn_on", "light.hall", "ours 1")])
    reaction = home.run(10.2, LIGHT, change("light.hall", "off", "on", "ours 1", user_id="robot"))
    await home.write()

    explained = only(await data.why(entity="light.hall", at=AskedTime.moment(home.us(0))))

    assert kinds(explained) == ["app", "device"]
    assert explained.causes[0].run is not None
    assert explained.causes[0].run.id == run
    assert explained.is_complete
    assert [one.id for one in explained.reactions] == [reaction]
    assert "light.hall turned on at" in explained.sentence
    assert explained.sentence.endswith(
        "because binary_sensor.hall turned on and your app motion_light.hall.on_motion reacted to it."
    )


async def test_chain_of_two_apps_leads_to_the_first_event(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), calls=[call("light.turn_on", "light.hall", "ours 1")])
    home.run(
        11,
        LIGHT,
        change("light.hall", "off", "on", "ours 1", user_id="robot"),
        calls=[call("media_player.turn_on", "media_player.radio", "ours 2")],
    )
    home.run(12, LIGHT, change("media_player.radio", "off", "on", "ours 2", user_id="robot"))
    await home.write()

    explained = only(await data.why(entity="media_player.radio"))

    assert kinds(explained) == ["app", "app", "device"]
    assert explained.sentence.endswith("It began when binary_sensor.hall turned on.")


async def test_job_is_the_first_cause_with_its_schedule(home: RecordedHome, data: DataSyncService) -> None:
    home.run(5, TIDY, Due(home.us(5)), calls=[call("vacuum.start", "vacuum.robbie", "ours 1")])
    home.run(6, LIGHT, change("vacuum.robbie", "docked", "cleaning", "ours 1", user_id="robot"))
    await home.write()

    explained = only(await data.why(entity="vacuum.robbie"))

    assert kinds(explained) == ["scheduled"]
    assert explained.sentence.endswith("because the job cleaner.tidy of your app ran (every 30 s).")


async def test_job_that_was_started_by_hand_has_an_unknown_first_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(5, TIDY, Due(home.us(5), manual=True), calls=[call("vacuum.start", "vacuum.robbie", "ours 1")])
    home.run(6, LIGHT, change("vacuum.robbie", "docked", "cleaning", "ours 1", user_id="robot"))
    await home.write()

    explained = only(await data.why(entity="vacuum.robbie"))

    assert kinds(explained) == ["app", "unknown"]
    assert not explained.is_complete


async def test_context_with_a_user_and_without_a_call_of_ours_is_a_person(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(10, LIGHT, change("light.hall", "on", "off", "person 1", user_id="0123456789abcdef"))
    await home.write()

    explained = only(await data.why(entity="light.hall"))

    assert kinds(explained) == ["person"]
    assert "because the user 01234567… did it" in explained.sentence


async def test_child_context_without_a_recorded_cause_is_unknown(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, LIGHT, change("light.hall", "on", "off", "child", parent_id="never seen"))
    await home.write()

    why = await data.why(entity="light.hall")

    assert kinds(only(why)) == ["unknown"]
    assert "Its cause is not known" in why.sentence
    assert why.missing


async def test_child_context_of_our_call_leads_to_our_app_through_an_unknown_step(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(10, MOTION, motion(), calls=[call("script.turn_on", "script.evening", "ours 1")])
    home.run(11, LIGHT, change("light.hall", "off", "on", "child", parent_id="ours 1"))
    await home.write()

    assert kinds(only(await data.why(entity="light.hall"))) == ["unknown", "app", "device"]


async def test_missed_change_has_an_unknown_cause(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, LIGHT, change("light.hall", "off", "on", "c", missed=True))
    await home.write()

    assert kinds(only(await data.why(entity="light.hall"))) == ["unknown"]


async def test_change_while_the_connection_was_lost_is_not_taken_for_one_of_the_device(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.event(5, "connection_lost", "ws://home")
    home.run(10, LIGHT, motion())
    await home.write()

    assert kinds(only(await data.why(entity="binary_sensor.hall"))) == ["unknown"]


@pytest.mark.parametrize("what", ["runs", "service_calls", "events"])
async def test_change_is_not_taken_for_one_of_the_device_if_records_of_that_time_were_lost(
    home: RecordedHome, data: DataSyncService, what: str
) -> None:
    home.run(10, LIGHT, motion())
    home.lose(60, what)
    await home.write()

    assert kinds(only(await data.why(entity="binary_sensor.hall"))) == ["unknown"]


async def test_immediate_run_is_no_change(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, LIGHT, change("light.hall", None, "on", "c", immediate=True))
    await home.write()

    assert (await data.why(entity="light.hall")).found == ()


async def test_one_change_with_several_handlers_is_listed_once_with_all_reactions(
    home: RecordedHome, data: DataSyncService
) -> None:
    others = [Listener(f"on_light_{number}", "presence") for number in range(3)]
    event = change("light.hall", "on", "off", "person 1", user_id="anna")
    runs = [home.run(10 + number / 10, other, event) for number, other in enumerate(others)]
    home.not_run(10, LIGHT, "condition", "it was not dark", event)
    await home.write()

    explained = only(await data.why(entity="light.hall"))

    assert {run.id for run in explained.reactions} == set(runs)
    assert [(one.reason, one.detail) for one in explained.not_run] == [("condition", "it was not dark")]


async def test_change_that_led_to_no_run_is_found(home: RecordedHome, data: DataSyncService) -> None:
    home.not_run(10, LIGHT, "condition", "", change("light.hall", "on", "off", "person 1", user_id="anna"))
    await home.write()

    assert kinds(only(await data.why(entity="light.hall"))) == ["person"]


async def test_flapping_entity_lists_the_nearest_change_first(home: RecordedHome, data: DataSyncService) -> None:
    for number in range(10):
        old, new = ("off", "on") if number % 2 == 0 else ("on", "off")
        home.run(100 + 20 * number, LIGHT, change("light.hall", old, new, f"c{number}", user_id="anna"))
    await home.write()

    why = await data.why(entity="light.hall", at=AskedTime.moment(home.us(161)), limit=3)

    assert [one.change.context_id for one in why.found if one.change] == ["c3", "c4", "c2"]
    assert why.more == 7


async def test_any_time_in_an_asked_minute_is_equally_near(home: RecordedHome, data: DataSyncService) -> None:
    home.run(55, LIGHT, change("light.hall", "on", "off", "before", user_id="anna"))
    home.run(115, LIGHT, change("light.hall", "off", "on", "within", user_id="anna"))
    await home.write()

    why = await data.why(entity="light.hall", at=AskedTime.moment(home.us(60)))

    assert [one.change.context_id for one in why.found if one.change] == ["within", "before"]


async def test_asked_state_selects_the_changes_to_it(home: RecordedHome, data: DataSyncService) -> None:
    home.run(55, LIGHT, change("light.hall", "on", "off", "c1", user_id="anna"))
    home.run(56, LIGHT, change("light.hall", "off", "on", "c2", user_id="anna"))
    await home.write()

    assert only(await data.why(entity="light.hall", state="off")).change is not None
    assert (await data.why(entity="light.hall", state="red")).sentence.startswith("No change of light.hall to red is")


async def test_call_without_a_recorded_change_is_found_by_its_target(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), calls=[call("light.turn_on", "light.hall", "ours 1", rehearsed=True)])
    home.run(20, MOTION, motion("c2"), calls=[call("light.turn_on", "light.hall_ceiling", "ours 2")])
    await home.write()

    explained = only(await data.why(entity="light.hall"))

    assert explained.call is not None
    assert explained.change is None
    assert explained.sentence.startswith("light.turn_on was rehearsed for light.hall at")


async def test_calls_of_a_service_lead_to_the_handler_that_made_them(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), calls=[call("light.turn_on", "light.hall", "ours 1", error="no such light")])
    await home.write()

    explained = only(await data.why(service="Light.Turn_On"))

    assert kinds(explained) == ["app", "device"]
    assert explained.sentence.startswith("light.turn_on was called for light.hall and failed at")


async def test_text_of_a_log_line_leads_to_the_run_that_logged_it(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), logs=[LogLine(message="Küche is dark")])
    await home.write()

    explained = only(await data.why(text="KÜCHE IS"))

    assert explained.text == "Küche is dark"
    assert kinds(explained) == ["app", "device"]


async def test_text_of_an_error_leads_to_the_run_that_failed(home: RecordedHome, data: DataSyncService) -> None:
    failure = Failure(type="PumpError", message="Küche: the pump is stuck")
    home.run(10, MOTION, motion(), status="error", failure=failure, logs=[LogLine(message="pump: begin")])
    home.run(20, MOTION, motion("other"), status="error", failure=Failure(type="KeyError", message="light"))
    await home.write()

    by_type, by_message, both = [await data.why(text=text) for text in ("pumperror", "KÜCHE: the", "pump")]

    for explained in (only(by_type), only(by_message)):
        assert explained.text == "PumpError: Küche: the pump is stuck"
        assert kinds(explained) == ["app", "device"]
        assert "on_motion failed with “PumpError: Küche: the pump is stuck” at" in explained.sentence
    assert [one.text for one in both.found] == ["PumpError: Küche: the pump is stuck", "pump: begin"]


async def test_error_without_a_message_is_shown_with_its_type(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), status="error", failure=Failure(type="PumpError", message=""))
    await home.write()

    explained = only(await data.why(text="pumperror"))

    assert explained.text == "PumpError"
    assert "on_motion failed with “PumpError” at" in explained.sentence


@pytest.mark.parametrize("service", ["light.turn_on", "Light.Turn_On", "notify.mobile_app_alex"])
async def test_service_in_place_of_an_entity_is_answered(
    home: RecordedHome, data: DataSyncService, service: str
) -> None:
    home.run(10, MOTION, motion(), calls=[call(service.lower(), "light.hall", "ours 1")])
    await home.write()

    answer = await data.why(entity=service)

    assert (answer.about, answer.subject) == ("service", service.lower())
    assert only(answer).call is not None


async def test_words_in_place_of_an_entity_are_searched_in_log_lines(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), logs=[LogLine(message="Küche is dark")])
    await home.write()

    answer = await data.why(entity="küche is")

    assert (answer.about, only(answer).text) == ("text", "Küche is dark")


async def test_services_are_not_suggested_as_entities(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, MOTION, motion(), calls=[call("light.turn_on", "light.hall", "ours 1")])
    home.run(10.2, LIGHT, change("light.hall", "off", "on", "ours 1"))
    home.run(11, LIGHT, change("light.hat", "off", "on", "other"))
    await home.write()

    answer = await data.why(entity="light.ha")

    assert {one.entity_id for one in answer.suggestions} == {"light.hall", "light.hat"}
    assert answer.sentence.startswith("No entity is called light.ha. Did you mean light.ha")


async def test_id_of_a_run_in_place_of_an_entity_is_named(home: RecordedHome, data: DataSyncService) -> None:
    run = home.run(10, MOTION, motion())
    await home.write()

    found, unknown = await data.why(entity=str(run)), await data.why(entity=str(run + 1))

    assert found.sentence.startswith(f"{run} is the id of a run. Its page, or hassette show {run}, shows")
    assert unknown.sentence == f"The history has no entity called {run + 1}."


@pytest.mark.parametrize("number", [str(2**63 - 1), str(2**63), "9" * 19, "9" * 20])
async def test_number_above_all_ids_is_no_error(data: DataSyncService, number: str) -> None:
    assert (await data.why(entity=number)).sentence == f"The history has no entity called {number}."
    assert number in (await data.why_not(number)).sentence


async def test_whole_day_lists_its_newest_change_first(home: RecordedHome, data: DataSyncService) -> None:
    for at_s, state in ((0, "on"), (3600, "off"), (7200, "on"), (20_000, "off")):
        home.run(at_s, LIGHT, change("light.hall", "?", state, f"context {at_s}"))
    await home.write()

    answer = await data.why(entity="light.hall", at=AskedTime(home.us(-60), 10_000 * SECOND_US))

    assert [one.change.context_id for one in answer.found if one.change] == [
        "context 7200",
        "context 3600",
        "context 0",
    ]
    assert (answer.at_us, answer.since_us) == (None, home.us(-60))
    nothing = await data.why(entity="light.hall", at=AskedTime(home.us(10_000), 5_000 * SECOND_US))
    assert re.fullmatch(r"No change of light.hall is recorded from \S.* to \S.*\.", nothing.sentence)


@pytest.mark.parametrize("words", ["light.hall", "LIGHT.HALL", "hall light", "light hall", " light.hall "])
async def test_entity_is_found_by_its_id_and_by_words_of_its_id(
    home: RecordedHome, data: DataSyncService, words: str
) -> None:
    home.run(10, LIGHT, change("light.hall", "on", "off", "c1", user_id="anna"))
    home.run(10, LIGHT, change("light.hall_ceiling", "on", "off", "c2", user_id="anna"))
    await home.write()

    why = await data.why(entity=words)

    assert why.entity is not None
    assert why.entity.entity_id == "light.hall"


async def test_unknown_entity_gets_suggestions_and_no_answer(home: RecordedHome, data: DataSyncService) -> None:
    home.run(10, LIGHT, change("light.hall", "on", "off", "c1", user_id="anna"))
    await home.write()

    why = await data.why(entity="light.hal")

    assert why.found == ()
    assert [one.entity_id for one in why.suggestions] == ["light.hall"]


async def test_event_that_is_no_state_change_has_its_user_as_the_cause(
    home: RecordedHome, data: DataSyncService
) -> None:
    event = Event("zha_event", None, None, None, "c1", user_id="anna")
    home.run(10, MOTION, event, calls=[call("light.turn_on", "light.hall", "ours 1")])
    await home.write()

    explained = only(await data.why(service="light.turn_on"))

    assert isinstance(explained.causes[0].run and explained.causes[0].run.trigger, EventTrigger)
    assert kinds(explained) == ["app", "person"]


@pytest.mark.parametrize("context", [None, "c1"])
async def test_event_without_a_user_and_a_parent_has_an_unknown_sender(
    home: RecordedHome, data: DataSyncService, context: str | None
) -> None:
    event = Event("trigger.mqtt", None, None, None, context)
    home.run(10, MOTION, event, calls=[call("light.turn_on", "light.hall", "ours 1")])
    await home.write()

    explained = only(await data.why(service="light.turn_on"))

    assert kinds(explained) == ["app", "unknown"]
    assert "The first cause is not known: the sender of the event" in explained.sentence


@pytest.mark.parametrize(
    "asked",
    [{}, {"entity": "a.b", "service": "c.d"}, {"entity": " "}, {"text": "x" * 201}, {"entity": "a", "limit": 0}],
)
async def test_unclear_question_is_refused(data: DataSyncService, asked: dict[str, str]) -> None:
    with pytest.raises(BadQuestionError):
        await data.why(**asked)  # pyright: ignore[reportArgumentType]
