"""Why a handler or job did not run: each reason, and the checks on the way of an event."""

import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hassette_sync import AskedTime, BadQuestionError, DataSyncService, FrameworkEventFilter
from hassette_sync.answers.explanations import WhyNot
from support.history import NewHistory
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, call, change, recorded_home
from support.rows import Due, Job, Listener, Skip
from support.web_clients import app_client

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
MOTION = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
FILTERED = Listener(
    "on_off", "motion_light", "hall", topic="state_changed.light.hall", settings=(("changed_to", "off"),)
)
TIDY = Job("tidy", "cleaner", "default")
EVENT = change("binary_sensor.hall", "off", "on", "d1")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.register(MOTION, FILTERED, TIDY)
        home.event(0, "app_started", "motion_light.hall")
        yield home


@pytest.fixture
async def data(home: RecordedHome, tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(tmp_path / "hassette.db") as data:
        yield data


async def ask(data: DataSyncService, home: RecordedHome, of: str = "motion_light.hall.on_motion") -> WhyNot:
    return await data.why_not(of, at=AskedTime.moment(home.us(600)))


def results(answer: WhyNot) -> dict[str, str]:
    return {check.name: check.result for check in answer.checks}


@pytest.mark.parametrize(
    "reason",
    [
        *("condition", "rate_limited", "overlap", "back_pressure", "misfire", "predicate_failed", "not_connected"),
        *("disabled", "loop"),
    ],
)
async def test_trigger_without_a_run_gives_its_reason(home: RecordedHome, data: DataSyncService, reason: str) -> None:
    home.not_run(605, MOTION, reason, "the reason in words", EVENT)
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == reason
    assert "the reason in words" in answer.sentence
    assert [one.reason for one in answer.not_run] == [reason]
    assert results(answer)["triggered"] == "yes"
    assert results(answer)["allowed"] == "no"


async def test_counts_answer_if_the_trigger_itself_is_not_kept(home: RecordedHome, data: DataSyncService) -> None:
    hour_us = home.us(600) // HOUR_US * HOUR_US
    home.add("skipped", Skip(MOTION, hour_us, "rate_limited", 40))
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == "rate_limited"
    assert "rate limited (40 ×)" in answer.sentence


async def test_counts_of_a_reason_in_several_hours_are_added_up(home: RecordedHome, data: DataSyncService) -> None:
    hour_us = home.us(600) // HOUR_US * HOUR_US
    home.add("skipped", Skip(MOTION, hour_us - HOUR_US, "rate_limited", 40))
    home.add("skipped", Skip(MOTION, hour_us - HOUR_US, "overlap", 30))
    home.add("skipped", Skip(MOTION, hour_us, "rate_limited", 5))
    await home.write()

    answer = await data.why_not("motion_light.hall.on_motion", at=AskedTime(hour_us - HOUR_US, 2 * HOUR_US))

    assert answer.reason == "rate_limited"
    assert "In the whole hours around this time, triggers led to no run: rate limited (45 ×), " in answer.sentence
    assert "(30 ×)" in answer.sentence


async def test_counts_of_the_hour_after_a_day_are_not_in_its_answer(home: RecordedHome, data: DataSyncService) -> None:
    hour_us = home.us(600) // HOUR_US * HOUR_US
    home.add("skipped", Skip(MOTION, hour_us, "rate_limited", 5))
    await home.write()

    answer = await data.why_not("motion_light.hall.on_motion", at=AskedTime(hour_us - 2 * HOUR_US, 2 * HOUR_US))

    assert answer.reason != "rate_limited"


async def test_handler_that_did_run_is_answered_with_its_run(home: RecordedHome, data: DataSyncService) -> None:
    run = home.run(610, MOTION, EVENT)
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == "ran"
    assert [one.id for one in answer.runs] == [run]
    assert "did run around" in answer.sentence


async def test_handler_without_any_event_is_answered_with_its_last_run(
    home: RecordedHome, data: DataSyncService
) -> None:
    last = home.run(10, MOTION, EVENT)
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == "nothing_came"
    assert answer.last_run is not None
    assert answer.last_run.id == last
    assert results(answer) == {
        "registered": "yes",
        "framework_up": "yes",
        "enabled": "yes",
        "connected": "unknown",
        "triggered": "no",
        "allowed": "unknown",
        "ran": "no",
    }


async def test_change_that_the_filter_of_a_handler_leaves_out_is_named(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.changed(601, "light.hall", "off", "on", "d1")
    await home.write()

    answer = await ask(data, home, "motion_light.hall.on_off")

    assert answer.reason == "not_matching"
    assert "light.hall turned on at" in answer.sentence
    assert "changed_to off" in answer.sentence
    assert len(answer.changes) == 1


async def test_time_before_the_session_is_answered_with_the_framework(
    home: RecordedHome, data: DataSyncService
) -> None:
    await home.write()

    answer = await data.why_not("cleaner.tidy", at=AskedTime.moment(home.us(-7200)))

    assert answer.reason in ("framework_down", "not_registered")
    assert results(answer)["framework_up"] == "no"


@pytest.mark.parametrize("kind", ["app_failed", "app_stopped", "control_disable_app"])
async def test_app_that_was_not_running_is_the_reason(home: RecordedHome, data: DataSyncService, kind: str) -> None:
    home.event(300, kind, "motion_light.hall", "It is off.")
    await home.write()

    assert (await ask(data, home)).reason == "disabled"


async def test_app_that_failed_and_was_started_again_is_not_the_reason(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.event(300, "app_failed", "motion_light.hall")
    home.event(310, "app_started", "motion_light.hall")
    home.event(320, "app_failed", "motion_light.kitchen")
    await home.write()

    assert results(await ask(data, home))["enabled"] == "yes"


async def test_paused_job_is_the_reason_until_it_is_resumed(home: RecordedHome, data: DataSyncService) -> None:
    home.event(300, "control_pause_job", "cleaner.tidy")
    home.event(900, "control_resume_job", "cleaner.tidy")
    await home.write()

    assert (await ask(data, home, "cleaner.tidy")).reason == "disabled"
    assert (await data.why_not("cleaner.tidy", at=AskedTime.moment(home.us(1500)))).reason == "nothing_came"


async def test_lost_connection_is_the_reason(home: RecordedHome, data: DataSyncService) -> None:
    home.event(300, "connection_lost", "ws://home")
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == "not_connected"
    assert results(answer)["connected"] == "no"


async def test_connection_that_was_restored_within_the_asked_minute_is_the_reason(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.event(590, "connection_lost", "ws://home")
    home.event(615, "connection_restored", "ws://home")
    await home.write()

    assert (await ask(data, home)).reason == "not_connected"
    assert (
        await data.why_not("motion_light.hall.on_motion", at=AskedTime.moment(home.us(660)))
    ).reason != "not_connected"


async def test_lost_connection_is_not_the_reason_of_a_job(home: RecordedHome, data: DataSyncService) -> None:
    home.event(300, "connection_lost", "ws://home")
    await home.write()

    answer = await ask(data, home, "cleaner.tidy")

    assert (answer.reason, results(answer)["connected"]) == ("nothing_came", "no")


async def test_connection_that_was_lost_during_a_part_of_the_searched_time_is_named(
    home: RecordedHome, data: DataSyncService
) -> None:
    for lost_s, restored_s in ((300, 400), (500, 505)):
        home.event(lost_s, "connection_lost", "ws://home")
        home.event(restored_s, "connection_restored", "ws://home")
    await home.write()

    for at in (None, AskedTime(home.us(0), 20 * 60_000_000)):
        answer = await data.why_not("motion_light.hall.on_motion", at=at)
        assert answer.reason == "not_connected"
        assert re.search(
            r"\. Hassette was not connected to Home Assistant from \S.* to \S.*\. No event of state_changed\.\S+ is",
            answer.sentence,
        )
    home.run(600, MOTION, EVENT)
    await home.write()
    assert (await data.why_not("motion_light.hall.on_motion")).reason == "ran"


@pytest.mark.parametrize(("kind", "reason"), [("app_stopped", "disabled"), ("connection_lost", "not_connected")])
async def test_obstacle_at_the_asked_minute_is_the_reason_although_runs_are_near(
    home: RecordedHome, data: DataSyncService, kind: str, reason: str
) -> None:
    home.run(500, MOTION, EVENT)
    home.event(550, kind, "motion_light.hall")
    home.event(700, {"app_stopped": "app_started"}.get(kind, "connection_restored"), "motion_light.hall")
    home.run(720, MOTION, EVENT)
    home.run(610, TIDY, Due())
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == reason
    assert re.search(r" did not run at \S.*\. The .* The nearest run was at \S.* \(ok\)\.$", answer.sentence)
    assert (await ask(data, home, "cleaner.tidy")).reason == "ran"
    assert (await data.why_not("motion_light.hall.on_motion", at=AskedTime.moment(home.us(720)))).reason == "ran"


async def test_changes_that_the_filter_of_a_handler_of_many_entities_leaves_out_are_named(
    home: RecordedHome, data: DataSyncService
) -> None:
    settings = (("changed_to", "off"), ("debounce", "10 s"))
    many = Listener("on_any", "motion_light", "hall", topic="state_changed.light.h*", settings=settings)
    home.register(many)
    home.changed(601, "light.hall", "off", "on", "d1")
    home.changed(602, "light.porch", "off", "on", "d2")
    await home.write()

    answer = await ask(data, home, "motion_light.hall.on_any")

    assert answer.reason == "not_matching"
    assert [one.entity.entity_id for one in answer.changes] == ["light.hall"]
    assert answer.sentence.endswith(", but it needs changed_to off, debounce 10 s.")


async def test_missing_change_of_a_sensor_may_not_be_recorded(home: RecordedHome, data: DataSyncService) -> None:
    home.register(Listener("on_light", "motion_light", "hall", topic="state_changed.light.hall"))
    await home.write()

    hint = "A change of an entity that only measures, such as a sensor, is recorded only if a handler received it"
    assert hint in (await ask(data, home)).sentence
    assert hint not in (await ask(data, home, "motion_light.hall.on_light")).sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rehearsed": True}, "The app rehearsed, so light.turn_on was not sent."),
        ({"error": "not supported."}, "light.turn_on failed: not supported."),
        ({}, "(ok)."),
    ],
)
async def test_run_whose_service_calls_changed_nothing_is_answered_with_them(
    home: RecordedHome, data: DataSyncService, options: dict[str, object], words: str
) -> None:
    home.run(600, MOTION, EVENT, calls=[call("light.turn_on", "light.hall", "one", **options)])
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == "ran"
    assert answer.sentence.endswith(words)
    assert results(answer)["calls"] == ("no" if options else "yes")


@pytest.mark.parametrize("name", ["cleaner.tidy", "CLEANER.TIDY", "tidy", "cleaner", "cleaner.default.tidy"])
async def test_handler_is_found_by_each_form_of_its_name(home: RecordedHome, data: DataSyncService, name: str) -> None:
    home.run(590, TIDY, Due(home.us(590)))
    await home.write()

    answer = await ask(data, home, name)

    assert answer.registration is not None
    assert answer.registration.name == "tidy"
    assert (await ask(data, home, str(answer.registration.id))).registration == answer.registration


async def test_name_of_an_app_with_several_handlers_gets_a_choice(home: RecordedHome, data: DataSyncService) -> None:
    await home.write()

    answer = await ask(data, home, "motion_light")

    assert answer.registration is None
    assert {one.name for one in answer.suggestions} == {"on_motion", "on_off"}


async def test_entity_stands_for_the_handlers_that_changed_it_in_the_last_week(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(10, MOTION, EVENT, calls=[call("light.turn_on", "light.hall", "one")])
    await home.write()

    answer = await ask(data, home, "light.hall")

    assert answer.registration is not None
    assert answer.registration.title == "motion_light.hall.on_motion"
    home.run(20, TIDY, Due(home.us(20)), calls=[call("light.turn_off", "light.hall", "two")])
    await home.write()
    answer = await ask(data, home, "light.hall")
    assert answer.registration is not None
    assert [answer.registration.name, *(one.name for one in answer.suggestions)] == ["on_motion", "tidy"]


@pytest.mark.parametrize(
    ("entity", "state", "service", "opposite"),
    [
        ("cover.blind", "open", "cover.open_cover", "cover.close_cover"),
        ("cover.blind", "on", "cover.open_cover", "cover.close_cover"),
        ("cover.blind", "off", "cover.close_cover", "cover.open_cover"),
        ("valve.garden", "open", "valve.open_valve", "valve.close_valve"),
        ("valve.garden", "closed", "valve.close_valve", "valve.open_valve"),
        ("lock.door", "open", "lock.open", "lock.lock"),
        ("lock.door", "closed", "lock.lock", "lock.unlock"),
        ("lock.door", "locked", "lock.lock", "lock.open"),
        ("media_player.radio", "on", "media_player.turn_on", "media_player.turn_off"),
    ],
)
async def test_state_in_a_question_stands_for_the_handlers_that_lead_to_it(
    home: RecordedHome, data: DataSyncService, entity: str, state: str, service: str, opposite: str
) -> None:
    home.run(10, MOTION, EVENT, calls=[call(service, entity, "one")])
    home.run(20, TIDY, Due(home.us(20)), calls=[call(opposite, entity, "two")])
    await home.write()

    answer = await data.why_not(entity, at=AskedTime.moment(home.us(600)), state=state)

    assert answer.registration is not None
    assert [answer.registration.name, *(one.name for one in answer.suggestions)] == ["on_motion"]


NIGHT = Job("check", "night_round", "default")
EVENING = Listener("on_dusk", "evening", "kitchen", topic="state_changed.sun.sun")


@pytest.mark.parametrize(
    "words", ["why did the light not turn on", "my lights did not come on", "lights didn't turn on"]
)
async def test_lights_that_did_not_turn_on_are_answered_with_the_gravest_obstacle(
    home: RecordedHome, data: DataSyncService, words: str
) -> None:
    for entity, name in (("light.attic", "Attic"), ("light.hall", "Hall"), ("light.kitchen", "Kitchen")):
        home.named(entity, name)
    home.run(10, MOTION, EVENT, calls=[call("light.turn_on", "light.hall", "one")])
    home.run(20, TIDY, Due(home.us(20)), calls=[call("light.turn_off", "light.hall", "two")])
    home.run(1700, EVENING, EVENT, calls=[call("light.turn_on", "light.kitchen", "three")])
    home.not_run(1710, EVENING, "condition", "is_dark()", EVENT)
    home.changed(1700.1, "light.kitchen", "off", "on", "three", user="robot")
    home.event(1600, "control_disable_app", "motion_light.hall")
    home.add("retired", MOTION)
    await home.write()

    asked = (await data.ask(words)).why_not

    assert asked is not None
    assert asked.registration is not None
    assert asked.registration.title == "motion_light.hall.on_motion"
    assert asked.reason == "disabled"
    assert asked.sentence.startswith("Hall: motion_light.hall.on_motion has not run since ")
    assert "The app motion_light.hall was disabled at " in asked.sentence
    assert "Kitchen" not in asked.sentence
    assert asked.sentence.endswith(" In the week before, no handler or job did this for Attic.")
    assert [one.title for one in asked.suggestions] == ["evening.kitchen.on_dusk"]


async def test_handler_of_a_disabled_app_answers_for_its_light_although_another_job_changes_it(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.named("light.hall", "Hall light")
    home.run(10, MOTION, EVENT, calls=[call("light.turn_on", "light.hall", "one")])
    home.run(20, NIGHT, Due(home.us(20)), calls=[call("light.turn_off", "light.hall", "two")])
    home.event(1600, "control_disable_app", "motion_light.hall")
    home.add("retired", MOTION)
    await home.write()

    asked = (await data.ask("the hall light does not work")).why_not

    assert asked is not None
    assert asked.registration is not None
    assert asked.registration.title == "motion_light.hall.on_motion"
    assert asked.reason == "disabled"
    assert [one.title for one in asked.suggestions] == ["night_round.check"]


@pytest.mark.parametrize(("outcome", "how"), [("clean", "was stopped"), ("crashed", "crashed")])
async def test_lights_did_not_turn_on_because_hassette_ended(tmp_path: Path, outcome: str, how: str) -> None:
    path = tmp_path / "hassette.db"
    async with recorded_home(path) as home:
        home.named("light.hall", "Hall")
        home.named("light.kitchen", "Kitchen")
        home.run(10, MOTION, EVENT, calls=[call("light.turn_on", "light.hall", "one")])
        home.changed(10.1, "light.hall", "off", "on", "one", user="robot")
        home.run(20, EVENING, EVENT, calls=[call("light.turn_on", "light.kitchen", "two")])
        await home.write()
        ended_us = home.us(600)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE sessions SET ended_us = ?, heartbeat_us = ?, outcome = ?", (ended_us, ended_us, outcome))
    async with patient_data(path) as data:
        asked = (await data.ask("why did the lights not come on")).why_not

    assert asked is not None
    assert asked.reason == "framework_down"
    assert f"Hassette {how} at " in asked.sentence
    assert {one.title for one in (asked.registration, *asked.suggestions) if one is not None} == {
        "motion_light.hall.on_motion",
        "evening.kitchen.on_dusk",
    }


async def test_unknown_name_gets_near_names(home: RecordedHome, data: DataSyncService) -> None:
    await home.write()

    answer = await ask(data, home, "cleaner.tydi")

    assert answer.reason == "not_registered"
    assert answer.sentence == "No handler, job or app is called cleaner.tydi. Did you mean cleaner.tidy?"
    assert [one.name for one in answer.suggestions] == ["tidy"]


async def test_app_that_never_registered_its_handler_is_answered_with_its_last_failure(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.event(300, "app_failed", "porch.front", "on_initialize failed: ValueError: no such light.")
    home.event(310, "app_failed", "porch_light", "another app")
    await home.write()

    for name in ("porch", "porch.on_motion", "porch.front.on_motion", "PORCH.on_motion"):
        answer = await data.why_not(name)
        assert answer.reason == "disabled"
        assert answer.sentence.startswith(f"{name} has not been registered, because the app porch.front failed")
        assert answer.sentence.endswith(": on_initialize failed: ValueError: no such light.")
    assert (await data.why_not("porch.on_motion", at=AskedTime.moment(home.us(120)))).reason == "not_registered"
    events = (await data.events(FrameworkEventFilter(app="PORCH"))).events
    assert [event.subject for event in events] == ["porch.front"]

    home.event(400, "app_started", "porch.front")
    await home.write()
    assert (await data.why_not("porch.on_motion")).reason == "not_registered"


async def test_entity_that_the_history_does_not_know_gets_a_near_name(
    home: RecordedHome, data: DataSyncService
) -> None:
    misspelt = Listener("on_porch", "motion_light", "hall", topic="state_changed.binary_sensor.porch_moton")
    home.register(misspelt)
    home.named("binary_sensor.porch_motion", "Porch motion")
    home.named("binary_sensor.hall", "Hall")
    await home.write()

    answer = await ask(data, home, "motion_light.hall.on_porch")

    assert answer.reason == "nothing_came"
    hint = "The history does not know binary_sensor.porch_moton. Did you mean binary_sensor.porch_motion?"
    assert hint in answer.sentence
    assert "does not know" not in (await ask(data, home)).sentence
    unknown = await ask(data, home, "binary_sensor.porch_moton")
    assert unknown.sentence.endswith("Did you mean binary_sensor.porch_motion?")


async def test_answer_without_a_moment_is_about_the_last_hour(home: RecordedHome, data: DataSyncService) -> None:
    home.not_run(1700, MOTION, "condition", "not dark", EVENT)
    await home.write()

    answer = await data.why_not("on_motion")

    assert answer.reason == "condition"
    assert "did not run since" in answer.sentence


async def test_handler_that_ran_before_its_app_was_disabled_has_not_run_since(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(1500, MOTION, EVENT)
    home.event(1600, "control_disable_app", "motion_light.hall")
    await home.write()

    answer = await data.why_not("on_motion")

    assert answer.reason == "disabled"
    assert re.fullmatch(
        r"motion_light\.hall\.on_motion has not run since \S.* \(ok\)\. "
        r"The app motion_light\.hall was disabled at \S.*\.",
        answer.sentence,
    )
    assert [check.detail for check in answer.checks if check.detail and not check.detail.endswith(".")] == []


@pytest.mark.parametrize(("runs", "times"), [(1, "once"), (3, "3 times"), (20, "at least 20 times")])
async def test_handler_that_did_not_run_for_each_trigger_is_answered_with_both(
    home: RecordedHome, data: DataSyncService, runs: int, times: str
) -> None:
    for number in range(runs):
        home.run(590 + number, MOTION, EVENT)
    home.not_run(612, MOTION, "overlap", "It was still running.", EVENT)
    await home.write()

    answer = await ask(data, home)

    assert answer.reason == "overlap"
    assert answer.sentence.startswith(f"motion_light.hall.on_motion ran {times} around ")
    assert ", but not for each trigger. At " in answer.sentence


async def test_many_runs_after_the_searched_time_do_not_hide_those_in_it(
    home: RecordedHome, data: DataSyncService
) -> None:
    for number in range(3):
        home.run(590 + number, MOTION, EVENT)
    for number in range(25):
        home.run(1_300 + 60 * number, MOTION, EVENT)
    await home.write()

    answer = await ask(data, home)

    assert (answer.reason, len(answer.runs)) == ("ran", 3)
    assert next(check.detail for check in answer.checks if check.name == "triggered") == "There were 3 triggers."


async def test_empty_name_is_refused(data: DataSyncService) -> None:
    with pytest.raises(BadQuestionError):
        await data.why_not(" ")


async def test_api_answers_why_not(home: RecordedHome, data: DataSyncService) -> None:
    home.not_run(1700, TIDY, "misfire", "late", Due(home.us(1600)))
    await home.write()
    async with app_client(data) as client:
        answer = await client.get("/api/v1/why-not?of=cleaner.tidy")

    assert answer.json()["reason"] == "misfire"


async def test_day_names_the_runs_in_it(home: RecordedHome, data: DataSyncService) -> None:
    home.run(600, MOTION, EVENT)
    home.run(90_000, MOTION, EVENT)
    await home.write()

    ran = await data.why_not("motion_light.hall.on_motion", at=AskedTime(home.us(-3600), 2 * HOUR_US))
    quiet = await data.why_not("motion_light.hall.on_motion", at=AskedTime(home.us(7200), 10 * HOUR_US))

    assert (ran.reason, len(ran.runs), ran.since_us, ran.until_us) == ("ran", 1, home.us(-3600), home.us(3600))
    assert ran.sentence.startswith("motion_light.hall.on_motion did run from ")
    assert (quiet.reason, quiet.runs) == ("nothing_came", ())


async def test_pause_of_the_framework_during_a_night_is_named(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 30 * HOUR_US, now_us - 20 * HOUR_US, "crashed")
        history.session(now_us - 19 * HOUR_US)
        history.job("cleaner", "tidy", "every 6 h")
    async with patient_data(history.path) as data:
        night = await data.why_not("cleaner.tidy", at=AskedTime(now_us - 24 * HOUR_US, 8 * HOUR_US))
        begin = await data.why_not("cleaner.tidy", at=AskedTime(now_us - 19 * HOUR_US - 1, 8 * HOUR_US))
        whole = await data.why_not("cleaner.tidy", at=AskedTime(now_us - 18 * HOUR_US, 8 * HOUR_US))

    assert (night.reason, begin.reason, whole.reason) == ("framework_down", "nothing_came", "nothing_came")
    assert re.search(r"Hassette was not running from \S.* to \S.*\. No due time of the schedule", night.sentence)
    assert [results(answer)["framework_up"] for answer in (night, begin, whole)] == ["no", "yes", "yes"]


@pytest.mark.parametrize(("ended", "started", "reason"), [(5, 4, "framework_down"), (30, 29, "nothing_came")])
async def test_pause_within_the_last_day_counts_for_a_question_about_now(
    new_history: NewHistory, now_us: int, ended: int, started: int, reason: str
) -> None:
    with new_history() as history:
        history.session(now_us - 50 * HOUR_US, now_us - ended * HOUR_US, "crashed")
        history.session(now_us - started * HOUR_US)
        history.job("cleaner", "tidy", "every 6 h")
    async with patient_data(history.path) as data:
        answer = await data.why_not("cleaner.tidy")
        moment = await data.why_not("cleaner.tidy", at=AskedTime(now_us - HOUR_US // 6, 0))

    assert (answer.reason, moment.reason) == (reason, "nothing_came")
    assert ("Hassette was not running from" in answer.sentence) == (reason == "framework_down")


async def test_run_after_a_pause_is_not_explained_by_it(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 50 * HOUR_US, now_us - 5 * HOUR_US, "crashed")
        session = history.session(now_us - 4 * HOUR_US)
        job = history.job("cleaner", "tidy", "daily at 02:30")
        history.run(job, now_us - HOUR_US, session_id=session, job=True)
    async with patient_data(history.path) as data:
        answer = await data.why_not("cleaner.tidy")

    assert answer.reason == "ran"


async def test_events_prove_the_connection_and_runs_that_nothing_was_refused(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(600, MOTION, EVENT)
    home.run(600, TIDY, Due())
    await home.write()

    handler, job = await ask(data, home), await ask(data, home, "cleaner.tidy")

    assert (results(handler)["connected"], results(handler)["allowed"]) == ("yes", "yes")
    assert (results(job)["connected"], results(job)["allowed"]) == ("unknown", "yes")


@pytest.mark.parametrize("restarted", [True, False])
async def test_due_time_of_a_daily_job_while_hassette_was_not_running_is_named(
    new_history: NewHistory, now_us: int, restarted: bool
) -> None:
    due_us = (now_us // MINUTE_US - 120) * MINUTE_US
    with new_history() as history:
        history.session(now_us - 50 * HOUR_US, due_us - 9 * MINUTE_US, "crashed")
        if restarted:
            history.session(due_us + 22 * MINUTE_US)
        history.job("night_round", "check", f"daily at {datetime.fromtimestamp(due_us / 1e6, UTC):%H:%M}")
        history.db.execute("UPDATE sessions SET facts = json_set(facts, '$.time_zone', 'UTC')")
    async with patient_data(history.path) as data:
        answer = await data.why_not("night_round")
        others = await data.why_not("night_round", at=AskedTime(due_us + MINUTE_US, HOUR_US))

    clock = [
        f"{datetime.fromtimestamp(at_us / 1e6, UTC):%H:%M:%S}"
        for at_us in (due_us, due_us - 9 * MINUTE_US, due_us + 22 * MINUTE_US)
    ]
    pause = rf".*{clock[1]} to .*{clock[2]}" if restarted else rf"since .*{clock[1]}"
    assert answer.reason == "framework_down"
    assert re.search(rf"It was due at .*{clock[0]}, while Hassette was not running \({pause}\)\.", answer.sentence)
    assert answer.sentence.count("It was due at") == 1
    assert "It was due at" not in others.sentence


@pytest.mark.parametrize("restarts", [1, 540])
async def test_missed_due_time_before_a_crash_loop_is_named(
    new_history: NewHistory, now_us: int, restarts: int
) -> None:
    due_us = (now_us // MINUTE_US - 12 * 60) * MINUTE_US
    with new_history() as history:
        history.session(now_us - 50 * HOUR_US, due_us - 30 * MINUTE_US, "crashed")
        for number in range(restarts):
            start_us = due_us + (30 + number) * MINUTE_US
            history.session(start_us, start_us + MINUTE_US // 2, "crashed")
        history.job("night_round", "check", f"daily at {datetime.fromtimestamp(due_us / 1e6, UTC):%H:%M}")
        history.db.execute("UPDATE sessions SET facts = json_set(facts, '$.time_zone', 'UTC')")
    async with patient_data(history.path) as data:
        answer = await data.why_not("night_round")

    assert f"It was due at {datetime.fromtimestamp(due_us / 1e6, UTC):%H:%M:%S}, while" in re.sub(
        r"at \d+ \w+ ", "at ", answer.sentence
    )


async def test_session_with_a_clock_ahead_makes_no_due_time_missed(new_history: NewHistory, now_us: int) -> None:
    due_us = (now_us // MINUTE_US - 120) * MINUTE_US
    ahead_us = now_us + 20 * 365 * 24 * HOUR_US
    with new_history() as history:
        history.session(now_us - 50 * HOUR_US, now_us - 10 * HOUR_US, "clean")
        history.session(ahead_us, ahead_us + MINUTE_US, "crashed")
        history.session(now_us - 9 * HOUR_US)
        history.job("night_round", "check", f"daily at {datetime.fromtimestamp(due_us / 1e6, UTC):%H:%M}")
        history.db.execute("UPDATE sessions SET facts = json_set(facts, '$.time_zone', 'UTC')")
    async with patient_data(history.path) as data:
        answer = await data.why_not("night_round")

    assert "It was due at" not in answer.sentence


async def test_handler_is_answered_with_a_stop_a_moment_ago(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    async with recorded_home(path) as home:
        home.event(0, "app_started", "motion_light.hall")
        home.run(10, MOTION, EVENT)
        await home.write()
    async with patient_data(path) as data:
        answer = await data.why_not("motion_light.hall.on_motion")

    assert answer.reason == "framework_down"
    assert re.search(r"Hassette was stopped at \S+ and was not running\.$", answer.sentence)
