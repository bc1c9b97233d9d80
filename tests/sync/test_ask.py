"""Words in the ask box, and their meaning."""

import contextlib
import html
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_sync import AskedTime, BadQuestionError, DataSyncService
from hassette_sync.questions.asking.parsing import parse_words
from hassette_sync.questions.asking.sun import SUN
from hassette_sync.time_range import now_us
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, call, change, recorded_home
from support.rows import Failure, Listener, LogLine
from support.web_clients import app_client


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with recorded_home(tmp_path / "hassette.db") as home:
        await write_home(home)
        async with patient_data(tmp_path / "hassette.db") as data:
            yield data


async def write_home(home: RecordedHome) -> None:
    motion = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
    home.named("light.hall", "Hall light")
    home.run(
        10,
        motion,
        change("binary_sensor.hall", "off", "on", "d1"),
        calls=[call("light.turn_on", "light.hall", "ours")],
        logs=[LogLine(message="the hall is dark")],
    )
    home.changed(10.1, "light.hall", "off", "on", "ours", user="robot")
    await home.write()


@pytest.mark.parametrize(
    ("words", "kind", "subject", "at", "state"),
    [
        ("why did light.hall turn on at 03:12?", "why", "light.hall", "03:12", "on"),
        ("hall light 03:12", "why", "hall light", "03:12", ""),
        ("hall light", "why", "hall light", "", ""),
        ("light.hall", "why", "light.hall", "", ""),
        ("why not motion_light at 7", "why_not", "motion_light", "07:00", ""),
        ("why not motion_light.on_motion at 7 pm", "why_not", "motion_light.on_motion", "19:00", ""),
        ("why-not motion_light", "why_not", "motion_light", "", ""),
        ("Why didn't motion_light run yesterday at 07:30?", "why_not", "motion_light", "yesterday 07:30", ""),
        ("why did motion_light not run at 12am", "why_not", "motion_light", "00:00", ""),
        ("why did the hall light go off 2 hours ago?", "why", "hall light", "2h", "off"),
        ("why did cover.garage open around 22:10:30", "why", "cover.garage", "22:10:30", "open"),
        ("Why was the door unlocked at 3:05 yesterday?", "why", "door", "yesterday 03:05", "unlocked"),
        ("light.turn_on", "why", "light.turn_on", "", ""),
        ('why "no answer from pump" at 4', "why", "no answer from pump", "04:00", ""),
        ("light.hall 2026-01-31T18:00", "why", "light.hall", "2026-01-31t18:00", ""),
        ("Küche at noon", "why", "Küche", "12:00", ""),
        ("sensor 7", "why", "sensor 7", "", ""),
        ("who turned on the hall light last night?", "why", "hall light", "last night", "on"),
        ("What turned off the kitchen light yesterday evening?", "why", "kitchen light", "yesterday evening", "off"),
        ("why did light.hall turn on yesterday", "why", "light.hall", "yesterday", "on"),
        ("why did light.hall turn on monday at 7", "why", "light.hall", "monday 07:00", "on"),
        ("why hall light on tuesday at 7", "why", "hall light", "tuesday 07:00", ""),
        ("why did the hall light turn on on saturday evening", "why", "hall light", "saturday evening", "on"),
        ("hall light on friday night", "why", "hall light", "friday night", ""),
        ("why is the heating off?", "why", "heating", "", "off"),
        ("why was the light in the hall on at 3:12am", "why", "light hall", "03:12", "on"),
        ("why is light.hall not on", "why_not", "light.hall", "", "on"),
        ("why did Alex leave", "why", "Alex", "", "not_home"),
        ("why did Alex come home at 17", "why", "Alex", "17:00", "home"),
        ("why did the left blind open", "why", "left blind", "", "open"),
        ("why did the humidity go up", "why", "humidity", "", ""),
        ("who turned the hall light on?", "why", "hall light", "", "on"),
        ("who switched all lights off last night", "why", "lights", "last night", "off"),
        ("why isn't the coffee machine on?", "why_not", "coffee machine", "", "on"),
        ("why won’t the light turn on", "why_not", "light", "", "on"),
        ("why don't the lights turn on", "why_not", "lights", "", "on"),
        ("why is the hall light still on", "why", "hall light", "", "on"),
        ("why did the lights go out", "why", "lights", "", "off"),
        ("why does the light keep turning on", "why", "light", "", "on"),
        ("the light came back on by itself at 4am", "why", "light", "04:00", "on"),
        ("why did the light fail to turn on", "why", "light", "", "on"),
        ("why is the lock unlocked", "why", "lock", "", "unlocked"),
        ("why is the door lock locked", "why", "door lock", "", "locked"),
        ("why did sensor.power become unavailable", "why", "sensor.power", "", "unavailable"),
        ("why is weather.home unknown", "why", "weather.home", "", "unknown"),
        ("why weather.home", "why", "weather.home", "", ""),
        ("why is Alex not home", "why_not", "Alex", "", "home"),
        ("why is Alex away", "why", "Alex", "", "not_home"),
        ("why did light.hall dim at 7", "why", "light.hall", "07:00", ""),
        ("when was the door last opened", "why", "door", "", "open"),
        ("what happened to the hall light today", "why", "hall light", "today", ""),
        ("why did the motion sensor in the hall trigger", "why", "motion sensor hall", "", ""),
        ("hall light, 7pm", "why", "hall light", "19:00", ""),
        ("hall light 7:05:30 pm", "why", "hall light", "19:05:30", ""),
        ("hall light tuesday 7am", "why", "hall light", "tuesday 07:00", ""),
        ("hall light at 7am on tuesday", "why", "hall light", "tuesday 07:00", ""),
        ("why did the light turn on last monday at 7", "why", "light", "last monday 07:00", "on"),
        ("why did the light turn on 2026-01-31 at 7:05", "why", "light", "2026-01-31T07:05", "on"),
        ("hall light this morning at 7", "why", "hall light", "today 07:00", ""),
        ("hall light at 3:12am this morning", "why", "hall light", "today 03:12", ""),
        ("hall light at 7 in the morning", "why", "hall light", "07:00", ""),
        ("hall light at 7 in the evening", "why", "hall light", "19:00", ""),
        ("hall light at 19:30 in the evening", "why", "hall light", "19:30", ""),
        ("hall light yesterday afternoon at 12:30", "why", "hall light", "yesterday 12:30", ""),
        ("hall light last night at 2", "why", "hall light", "today 02:00", ""),
        ("hall light last night at 12", "why", "hall light", "today 00:00", ""),
        ("hall light at 11 last night", "why", "hall light", "yesterday 23:00", ""),
        ("hall light sunday night at 2", "why", "hall light", "monday 02:00", ""),
        ("why did the light turn on an hour ago", "why", "light", "1h", "on"),
        ("hall light half an hour ago", "why", "hall light", "30m", ""),
        ("hall light 20 mins ago", "why", "hall light", "20m", ""),
        ("why did light.hall turn on at midnight", "why", "light.hall", "00:00", "on"),
        ("hall light 3 days ago", "why", "hall light", "3 days ago", ""),
        ("hall light 3 days ago at 7", "why", "hall light", "3 days ago 07:00", ""),
        ("hall light at 7 two weeks ago", "why", "hall light", "14 days ago 07:00", ""),
        ("hall light the day before yesterday at 7pm", "why", "hall light", "2 days ago 19:00", ""),
        ("hall light a couple of hours ago", "why", "hall light", "2h", ""),
        ("hall light tonight", "why", "hall light", "tonight", ""),
        ("hall light during the night", "why", "hall light", "last night", ""),
        ("hall light this week", "why", "hall light", "this week", ""),
        ("hall light last week", "why", "hall light", "last week", ""),
        ("hall light in the last 2 hours", "why", "hall light", "last 2h", ""),
        ("hall light within the past hour", "why", "hall light", "last 1h", ""),
        ("hall light on 28 Nov", "why", "hall light", "28 nov", ""),
        ("hall light on Nov 28 at 3:12", "why", "hall light", "nov 28 03:12", ""),
        ("hall light at 7 on 28th of November", "why", "hall light", "28th of november 07:00", ""),
        ("why did the hall light turn on on 28.11.?", "why", "hall light", "28.11.", "on"),
        ("Flurlicht am 28.11. um 3:12 Uhr", "why", "Flurlicht", "28.11. 03:12", ""),
        ("hall light 28.11.2025 03:12", "why", "hall light", "28.11.2025 03:12", ""),
        ("hall light at 7.30", "why", "hall light", "07:30", ""),
        ("hall light between 3 and 4", "why", "hall light", "03:00 to 04:00", ""),
        ("hall light between 3 and 4 pm", "why", "hall light", "15:00 to 16:00", ""),
        ("hall light yesterday between 03:00 and 04:30", "why", "hall light", "yesterday 03:00 to 04:30", ""),
        ("hall light from 7 to 8 on monday", "why", "hall light", "monday 07:00 to 08:00", ""),
        ("hall light last night between 11 and 1", "why", "hall light", "yesterday 23:00 to 01:00", ""),
        ("who turned on at 3:12 the hall light", "why", "hall light", "03:12", "on"),
        ("At 03:12 the hall light turned on. Why?", "why", "hall light", "03:12", "on"),
        ("last night, why did the hall light turn on", "why", "hall light", "last night", "on"),
        ("Can you tell me why the hall light is on?", "why", "hall light", "", "on"),
        ("why's the hall light on", "why", "hall light", "", "on"),
        ("why did the hall light turn on on the 11th of June at 3:12", "why", "hall light", "11th of june 03:12", "on"),
        ("was the hall light on last night", "why", "hall light", "last night", "on"),
        ("did the night round run last night and if not why", "why", "night round", "last night", ""),
        ("did motion_light run today, and if not, why not?", "why", "motion_light", "today", ""),
        ("did the job run last night, and if not why", "elsewhere", "runs", "last night", ""),
        ("why was the living room light left on all night", "why", "living room light", "last night", "on"),
        ("hall light on", "why", "hall light", "", "on"),
        ("what caused the hall light to turn on at 3:12", "why", "hall light", "03:12", "on"),
        ("for what reason did the hall light turn on", "why", "hall light", "", "on"),
        ("did anyone turn on the hall light", "why", "hall light", "", "on"),
        ("who left the back door open", "why", "back door", "", "open"),
        ("how often did the hall light turn on today", "why", "hall light", "today", "on"),
        ("who else reacted to the front door", "why", "front door", "", ""),
        ("hall light at half past 3", "why", "hall light", "03:30", ""),
        ("hall light at quarter to seven", "why", "hall light", "06:45", ""),
        ("hall light at three in the afternoon", "why", "hall light", "15:00", ""),
        ("hall light an hour and a half ago", "why", "hall light", "90m", ""),
        ("hall light after 22:00", "why", "hall light", "since 22:00", ""),
        ("hall light yesterday before 7", "why", "hall light", "yesterday 00:00 to 07:00", ""),
        (
            "hall light between yesterday 22:00 and today 7:00",
            "why",
            "hall light",
            "yesterday 22:00 to today 07:00",
            "",
        ),
        ("hall light from monday to wednesday", "why", "hall light", "monday to wednesday", ""),
        ("hall light in the morning", "why", "hall light", "this morning", ""),
        ("hall light last weekend", "why", "hall light", "last weekend", ""),
        ("hall light on 31.2.", "why", "hall light", "31.2.", ""),
        ("why did the hall light turn on at sunset", "why", "hall light", "sunset", "on"),
        ("hall light tonight at sunset", "why", "hall light", "sunset", ""),
        ("hall light last night at sunset", "why", "hall light", "yesterday sunset", ""),
        ("hall light yesterday at sunset", "why", "hall light", "yesterday sunset", ""),
        ("did motion_light succeed", "why", "motion_light", "", ""),
        ("why does the hall light not work", "why_not", "hall light", "", ""),
        ("why was motion_light skipped", "why_not", "motion_light", "", ""),
        ("why was motion_light rate limited today", "why_not", "motion_light", "today", ""),
        ("sensor 10.0.21", "why", "sensor 10.0.21", "", ""),
        ("the lamp on 45", "why", "lamp on 45", "", ""),
        ("could not read config.yaml", "why_not", "could read config.yaml", "", ""),
        ("which app turned on the hall light", "why", "hall light", "", "on"),
        ("what automation opened the left blind", "why", "left blind", "", "open"),
        ("when was the last time the hall light turned on", "why", "hall light", "", "on"),
        ("the last time that the front door opened", "why", "front door", "", "open"),
        ("how many lights are on", "why", "lights", "", "on"),
        ("since when is the hall light on", "why", "hall light", "", "on"),
        ("why does the kitchen light always turn on at 7", "why", "kitchen light", "07:00", "on"),
        ("why doesn't the kitchen light turn on anymore", "why_not", "kitchen light", "", "on"),
        ("did the hall light ever turn on", "why", "hall light", "", "on"),
        ("show the runs of motion_light yesterday", "why", "motion_light", "yesterday", ""),
        ("what changed in the kitchen before 28 Nov", "why", "kitchen", "before 28 nov", ""),
        ("when did the last error happen", "what_failed", "", "", ""),
        ("what failed since last friday", "what_failed", "", "since last friday", ""),
        ("why did the monday alarm ring at 7", "why", "monday alarm ring", "07:00", ""),
        ("why did the sunset scene run at sunset", "why", "sunset scene", "sunset", ""),
        ("why did the light on the 2nd floor turn on at 7", "why", "light on 2nd floor", "07:00", "on"),
        ("why did the 3rd floor light turn on on the 3rd", "why", "3rd floor light", "3rd", "on"),
        ("why did lamps 1 and 2 turn on", "why", "lamps 1 and 2", "", "on"),
        ("why did pump 1/2 turn on", "why", "pump 1/2", "", "on"),
        ("why did every light turn on", "why", "every light", "", "on"),
        ("why did Dawn come home", "why", "Dawn", "", "home"),
        ("why did the light turn off after 5 minutes", "why", "light", "", "off"),
        ("why did the thermostat change to 25.5", "why", "thermostat 25.5", "", ""),
        ("Licht am 6.11 um 7", "why", "Licht", "6.11. 07:00", ""),
        ("hall light since 28.11", "why", "hall light", "since 28.11.", ""),
        ("are any lights on in the living room", "why", "lights living room", "", "on"),
        ("is there a light on", "why", "light", "", "on"),
        ("show yesterday's errors", "what_failed", "", "yesterday", ""),
        ("why does night_round always fail at 2:30", "what_failed", "night_round", "02:30", ""),
        ("why did the light turn on after the crash", "why", "light", "after the crash", "on"),
        ("what failed until 28 Nov", "what_failed", "", "until 28 nov", ""),
    ],
)
def test_words_are_parsed(words: str, kind: str, subject: str, at: str, state: str) -> None:
    parsed = parse_words(words)

    assert (parsed.kind, parsed.subject, parsed.at, parsed.state) == (kind, subject, at, state)


DAYS = (
    *("", "today", "on monday", "last night", "tonight", "this morning", "yesterday evening", "in the evening"),
    *("at night", "3 days ago", "two weeks ago", "28 nov", "on the 3rd of May", "28.11.", "on 2026-05-01"),
)
CLOCKS = (
    *("", "at 3", "3:12", "at 3.12", "3pm", "at noon", "midnight", "um 7 Uhr", "after 22:00", "before 7"),
    *("between 3 and 4", "from 22:00 to 6:00", "between 3 and 4 pm", "at half past 3", "since 7"),
)


@pytest.mark.parametrize("day", DAYS)
def test_each_day_with_each_time_of_day_is_a_moment_in_both_orders(day: str) -> None:
    for clock in CLOCKS:
        for moment in {f"{day} {clock}".strip(), f"{clock} {day}".strip()} - {""}:
            parsed = parse_words(f"why did the hall light turn on {moment}?")

            assert (parsed.subject, parsed.state) == ("hall light", "on"), moment
            assert AskedTime.parse(parsed.at, now_us=1_780_000_000_000_000).length_us > 0, moment


FRAGMENTS = (
    *("why", "did", "not", "the", "hall light", "turn on", "fail", "errors", "at", "on", "last", "in the"),
    *("between", "and", "from", "to", "since", "after", "before", "ago", "next", "hassette", "up", "3", "12"),
    *("3:12", "pm", "28 nov", "28.11.", "1.1.1", "2026-01-31", "11/06/2026", "tonight", "last night", "sunset"),
    *("noon", "half past", "week", ".", ",", "?", '"', "“", "½", "ü", "\0"),
)


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=12))
def test_any_words_are_parsed_or_refused(fragments: list[str]) -> None:
    with contextlib.suppress(BadQuestionError):
        parsed = parse_words(" ".join(fragments))
        assert parsed.subject or parsed.kind == "what_failed"
        if parsed.at and not SUN.search(parsed.at):
            AskedTime.parse(parsed.at, now_us=1_780_000_000_000_000)


@pytest.mark.parametrize(
    "words",
    [
        *("", "?", "why", "why not?", "at 03:12", "why did the", "help", "what can I ask?", "x" * 201),
        *("who came home last", "how long was the hall light on"),
    ],
)
def test_words_that_name_nothing_are_refused(words: str) -> None:
    with pytest.raises(BadQuestionError):
        parse_words(words)


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ("why is the light on?", "entity"),
        ("who turned on the lamp in the hall?", "entity"),
        ("why did the Hall light turn on?", "entity"),
        ("light.turn_on", "service"),
        ("why “hall is dark”", "text"),
        ("is dark", "text"),
    ],
)
async def test_words_lead_to_the_fitting_question(data: DataSyncService, words: str, about: str) -> None:
    asked = await data.ask(words)

    assert asked.why is not None
    assert asked.why.about == about
    assert len(asked.why.found) == 1
    assert asked.why.sentence.endswith("your app motion_light.hall.on_motion reacted to it.")


async def test_words_with_not_lead_to_why_not_for_a_handler_and_to_why_for_an_entity(data: DataSyncService) -> None:
    handler = await data.ask("why did motion_light not run?")
    entity = await data.ask("why did light.hall not turn off?")

    assert handler.why_not is not None
    assert handler.why_not.reason == "ran"
    assert entity.why is not None
    assert entity.why.sentence.startswith("No change of Hall light to off is recorded in this time.")


async def test_words_with_not_and_an_entity_lead_to_the_handler_that_changes_it(data: DataSyncService) -> None:
    for words in ("why did light.hall not turn on?", "why did the hall light not turn on?"):
        asked = await data.ask(words)

        assert asked.why_not is not None, words
        assert asked.why_not.registration is not None
        assert asked.why_not.registration.title == "motion_light.hall.on_motion"
        assert asked.why_not.reason == "ran"


async def test_api_answers_words(data: DataSyncService) -> None:
    async with app_client(data) as client:
        answer = await client.get("/api/v1/ask", params={"q": "why did light.hall turn on?"})
        refused = await client.get("/api/v1/ask", params={"q": "light.hall at 25:99"})

    assert answer.json()["why"]["found"][0]["first_cause"] == "device"
    assert refused.status_code == 400


@pytest.mark.parametrize("words", ["did motion light run?", "motion_light", "did motion_light.hall.on_motion run"])
async def test_words_that_name_a_handler_lead_to_its_runs(data: DataSyncService, words: str) -> None:
    asked = await data.ask(words)

    assert asked.why_not is not None
    assert asked.why_not.reason == "ran"


async def test_text_with_a_negation_is_found(tmp_path: Path) -> None:
    motion = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
    async with recorded_home(tmp_path / "hassette.db") as home:
        failure = Failure(type="ValueError", message="could not convert string to float: 'unknown'")
        home.run(10, motion, change("binary_sensor.hall", "off", "on", "d1"), status="error", failure=failure)
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask("could not convert")

    assert asked.why is not None
    assert asked.why.sentence.startswith("motion_light.hall.on_motion failed with “ValueError: could not convert")


async def test_words_for_several_entities_lead_to_the_entity_that_changed(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        for entity, name in (("light.hall", "Hall"), ("light.kitchen", "Kitchen"), ("light.attic", "Attic")):
            home.named(entity, name)
        home.named("binary_sensor.door", "Front door")
        home.changed(10, "light.hall", "off", "on", "c1")
        home.changed(40, "light.kitchen", "off", "on", "c2")
        home.changed(50, "light.hall", "on", "off", "c3")
        home.changed(60, "binary_sensor.door", "off", "on", "c4")
        home.changed(70, "binary_sensor.door", "on", "off", "c5")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            newest, turned_on, moment = (
                await data.why(entity="light"),
                await data.why(entity="light", state="on"),
                await data.why(entity="lamps", state="on", at=AskedTime.moment(home.us(9) // 60_000_000 * 60_000_000)),
            )
            door = await data.ask("why is the front door open")

    assert [one.entity_id for one in newest.suggestions] == ["light.kitchen", "light.attic"]
    assert newest.sentence.startswith("Hall turned off at ")
    assert turned_on.sentence.startswith("Kitchen turned on at ")
    assert moment.sentence.startswith("Hall turned on at ")
    assert door.why is not None
    assert door.why.sentence.startswith("Front door turned on at ")


async def test_sensor_that_only_triggers_handlers_is_among_several_fitting_entities(tmp_path: Path) -> None:
    opened = Listener("opened", "doors", "front", topic="state_changed.binary_sensor.*")
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("binary_sensor.front", "Front door")
        home.named("binary_sensor.back", "Back door")
        home.run(10, opened, change("binary_sensor.back", "off", "on", "c1"))
        home.run(20, opened, change("binary_sensor.front", "off", "on", "c2"))
        home.run(30, opened, change("binary_sensor.front", "on", "off", "c3"))
        home.run(40, opened, change("binary_sensor.back", "on", "off", "c4"))
        home.run(50, opened, change("binary_sensor.back", "off", "on", "c5", immediate=True))
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            why_open, why_not_open = await data.ask("why is the door open"), await data.ask("why is the door not open")
            any_change, unavailable = await data.ask("door"), await data.ask("why did the door become unavailable")

    for asked, sentence in ((why_open, "Front door turned on"), (why_not_open, "Front door turned on")):
        assert asked.why is not None
        assert asked.why.sentence.startswith(sentence)
        assert [one.entity_id for one in asked.why.suggestions] == ["binary_sensor.back"]
    assert any_change.why is not None
    assert any_change.why.sentence.startswith("Back door turned off")
    assert unavailable.why is not None
    assert unavailable.why.sentence == (
        "2 entities fit door, such as binary_sensor.back, binary_sensor.front. "
        "No change of them to unavailable is recorded in the last 7 days."
    )


async def test_similar_name_is_only_a_suggestion(data: DataSyncService) -> None:
    asked = await data.ask("why did light.hal turn on")

    assert asked.why is not None
    assert asked.why.sentence == "No entity is called light.hal. Did you mean light.hall?"
    assert asked.why.found == ()


async def test_misspelt_handler_is_only_a_suggestion(data: DataSyncService) -> None:
    sentence = "No handler, job or app is called motion_light.on_moton. Did you mean motion_light.hall.on_motion?"
    for words in ("why did motion_light.on_moton run", "motion_light.on_moton", "did motion_light.on_moton run at 7"):
        asked = await data.ask(words)

        assert asked.why_not is not None, words
        assert asked.why_not.sentence == sentence
        assert [ref.title for ref in asked.why_not.suggestions] == ["motion_light.hall.on_motion"]


async def test_handler_in_place_of_an_entity_is_named(data: DataSyncService) -> None:
    misspelt, right, unknown = (
        await data.why(entity="motion_light.on_moton"),
        await data.why(entity="motion_light.on_motion"),
        await data.why(entity="light.turn_onn"),
    )

    assert misspelt.sentence == (
        "No entity is called motion_light.on_moton. Did you mean the handler motion_light.hall.on_motion?"
    )
    assert right.sentence == (
        "No entity is called motion_light.on_motion. hassette why-not motion_light.on_motion shows whether the handler "
        "motion_light.hall.on_motion ran."
    )
    assert unknown.about == "service"


async def test_unknown_id_does_not_stand_for_an_entity_with_a_longer_id(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("light.hall_2", "Hall light")
        home.named("light.attic", "Attic")
        home.changed(10, "light.hall_2", "off", "on", "c1")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked, why_not = await data.ask("why did light.hall turn on"), await data.why_not("light.hall")
            exact = [
                await data.why(entity=text) for text in ("light.hall_2", "LIGHT.HALL_2", "hall light", "light.attic")
            ]

    assert asked.why is not None
    assert asked.why.entity is None
    assert asked.why.found == ()
    assert asked.why.sentence == "No entity is called light.hall. Did you mean light.hall_2?"
    assert why_not.sentence == "No handler, job or app is called light.hall. Did you mean light.hall_2?"
    assert [one.entity.entity_id for one in exact if one.entity] == [*["light.hall_2"] * 3, "light.attic"]


@pytest.mark.parametrize("words", ["teh hall light", "wy did the hall light turn on", "hal light"])
async def test_misspelt_word_of_a_name_gets_a_suggestion(data: DataSyncService, words: str) -> None:
    asked = await data.ask(words)

    assert asked.why is not None
    assert asked.why.found == ()
    assert [one.entity_id for one in asked.why.suggestions] == ["light.hall"]


@pytest.mark.parametrize("words", ["did motion light hall run", "hall motion_light on_motion", "on_motion for hall"])
async def test_words_of_the_name_of_a_handler_are_enough(data: DataSyncService, words: str) -> None:
    asked = await data.ask(words)

    assert asked.why_not is not None
    assert asked.why_not.registration is not None
    assert asked.why_not.registration.title == "motion_light.hall.on_motion"


@pytest.mark.parametrize(
    ("words", "question", "link", "command"),
    [
        ("Was the framework up last night?", "uptime", "sessions", "hassette uptime --at 'last night'"),
        ("why did hassette crash", "uptime", "sessions", "hassette uptime"),
        ("what did not run last night", "not_run", "not-run", "hassette not-run --at 'last night'"),
        ("why did nothing happen at 7", "not_run", "not-run", "hassette not-run --at 07:00"),
        ("was home assistant down today", "connection", "events", "hassette events --at today"),
        ("which handler got slower this week", "slower", "compare?since=7d", "hassette compare --since 7d"),
        ("Which app makes the most noise?", "noise", "apps", "hassette apps"),
        ("show me the logs around 3:12", "logs", "logs", "hassette logs --at 03:12"),
        ("logs around this failure", "logs", "logs", "hassette logs"),
        ("what will run next?", "next", "", "hassette upcoming"),
        ("When does night_round run next", "next", "", "hassette upcoming"),
        (
            "what changed since I edited the app",
            "versions",
            "compare?since=7d&against=version",
            "hassette compare --since 7d --against version",
        ),
        ("what happened between 3 and 4", "runs", "runs", "hassette runs --at '03:00 to 04:00'"),
        ("what did this run change", "runs", "runs", "hassette runs"),
        ("what changed last night", "runs", "runs", "hassette runs --at 'last night'"),
        ("what has changed around 3:12", "runs", "runs", "hassette runs --at 03:12"),
        ("will night_round run tomorrow", "next", "", "hassette upcoming"),
        ("when will the night round run", "next", "", "hassette upcoming"),
        ("will the hall light turn on tonight", "next", "", "hassette upcoming"),
        ("when does night_round run", "next", "", "hassette upcoming"),
        ("which jobs run at 7", "next", "", "hassette upcoming"),
        ("what will run next monday at 7", "next", "", "hassette upcoming"),
        ("how often did motion_light run today", "counts", "handlers", "hassette handlers --at today"),
        ("how many times has night_round run", "counts", "handlers", "hassette handlers"),
        ("how long did night_round take last night", "durations", "handlers", "hassette handlers --at 'last night'"),
        ("is motion_light disabled", "switched_off", "apps", "hassette apps"),
        ("which apps are rehearsing", "switched_off", "apps", "hassette apps"),
        ("is motion_light running", "running", "", "hassette running"),
        ("when did the last crash happen", "uptime", "sessions", "hassette uptime"),
        ("why did no job run last night", "not_run", "not-run", "hassette not-run --at 'last night'"),
        ("what turned on at 3:12", "runs", "runs", "hassette runs --at 03:12"),
        ("what else happened yesterday", "runs", "runs", "hassette runs --at yesterday"),
        ("what should have run last night", "not_run", "not-run", "hassette not-run --at 'last night'"),
        ("is night_round scheduled", "next", "", "hassette upcoming"),
        ("is the connection ok", "connection", "events", "hassette events"),
    ],
)
async def test_question_that_another_page_answers_leads_there(
    data: DataSyncService, words: str, question: str, link: str, command: str
) -> None:
    asked = await data.ask(words)

    assert asked.kind == "elsewhere"
    assert asked.elsewhere is not None
    page, _, parameters = link.partition("?")
    assert (asked.elsewhere.question, asked.elsewhere.page, asked.elsewhere.command) == (question, page, command)
    assert asked.sentence == asked.elsewhere.sentence
    async with app_client(data) as client:
        for chosen in ({}, {"since": "6h"}):
            shown = (await client.get("/ask", params={"q": words, **chosen})).text
            found = re.search(r'href="([^"]+)">Show this page', shown)
            assert found is not None
            address = urlsplit(html.unescape(found[1]))
            given = dict(parse_qsl(address.query))
            assert address.path == f"./{page}"
            if "until" not in given:  # the question has no time
                assert given == {**dict(parse_qsl(parameters)), **chosen}
            assert (await client.get(f"/{page}", params=given)).status_code == 200


@pytest.mark.parametrize(
    ("words", "kind", "subject"),
    [
        ("Why did the slower fan turn on", "why", "slower fan"),
        ("who turned on the slower fan", "why", "slower fan"),
        ("was the slower handler failing", "what_failed", "slower"),
        ("did the noisiest app fail", "what_failed", "noisiest"),
        ("why did sensor.uptime change", "why", "sensor.uptime"),
        ("When does backup.nightly run next", "elsewhere", "next"),
        ("what will turn on next", "elsewhere", "next"),
        ("when does the hall light turn on next", "elsewhere", "next"),
        ("why did motion_light get slower", "elsewhere", "slower"),
        ("which slower handlers are there", "elsewhere", "slower"),
        ("why did hassette crash", "elsewhere", "uptime"),
        ("what failed since I edited the app", "elsewhere", "versions"),
    ],
)
def test_words_of_other_pages_may_describe_the_subject(words: str, kind: str, subject: str) -> None:
    parsed = parse_words(words)

    assert (parsed.kind, parsed.subject) == (kind, subject)


async def test_name_of_the_home_is_asked_about_although_it_contains_words_of_another_page(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("sensor.phone_next_alarm", "Phone next alarm")
        home.named("fan.slower", "Slower fan")
        home.changed(10, "sensor.phone_next_alarm", "07:00", "08:00", "c1")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            alarm, fan = await data.ask("when did the next alarm change"), await data.ask("slower fan")
            job, slower = await data.ask("when is the next job"), await data.ask("which fan got slower")

    assert [asked.kind for asked in (alarm, fan, job, slower)] == ["why", "why", "elsewhere", "elsewhere"]
    assert alarm.why is not None
    assert alarm.why.entity is not None
    assert alarm.why.entity.entity_id == "sensor.phone_next_alarm"


async def test_triggers_that_led_to_no_run_are_not_answered_with_the_uptime(data: DataSyncService) -> None:
    asked = await data.ask("what did not run")

    assert asked.sentence == (
        "The page Not run lists the triggers that led to no run. To ask about one handler or job, write why not and "
        "its name."
    )


async def test_question_about_the_uptime_is_answered(data: DataSyncService) -> None:
    running, future = await data.ask("is hassette running"), await data.ask("was hassette up on 28 Nov 1999")

    assert running.sentence.startswith("Hassette has been running since ")
    assert running.sentence.endswith(" The page Sessions lists each start and stop.")
    assert future.sentence.startswith("It is not known whether Hassette was running from ")


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("sunset", 60, 120),
        ("from sunset to sunrise", 60, 600),
        ("after sunrise", 600, None),
        ("{0} to sunset", 0, 60),
        ("{0} to sunrise", 0, 600),
        ("{11} to sunset", 660, None),  # there was no sunset since then
        ("between sunset and {2}", 60, 120),
        ("2 min before sunrise", 480, 540),
        ("today sunrise to now", 600, None),
    ],
)
async def test_time_of_the_sun_is_looked_up_in_the_history(
    tmp_path: Path, text: str, since: int, until: int | None
) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.changed(60, "sun.sun", "above_horizon", "below_horizon", "c1")
        home.changed(600, "sun.sun", "below_horizon", "above_horizon", "c2")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            written = await data.home_time()
            clocks = [f"{written.local(home.us(minute * 60)):%Y-%m-%dT%H:%M}" for minute in range(12)]
            words = text.replace("today", f"{written.local(home.us(600)):%Y-%m-%d}").format(*clocks)
            found = await data.asked_time(words)
            async with app_client(data) as client:
                answer = await client.get("/api/v1/why", params={"entity": "sun.sun", "at": words})

    assert found.at_us == home.us(since)
    if until is not None:
        assert found.at_us + found.length_us == home.us(until)
    assert answer.status_code == 200


async def test_sunset_is_the_last_change_of_the_sun(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("light.hall", "Hall light")
        home.changed(60, "sun.sun", "above_horizon", "below_horizon", "c1")
        home.changed(70, "light.hall", "off", "on", "c2")
        home.changed(1500, "light.hall", "on", "off", "c3")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked, after = await data.ask("hall light at sunset"), await data.ask("hall light after sunset")
            failed = await data.ask("what failed since sunset")
            span, hour = (
                await data.ask("hall light from sunset to sunrise"),
                await data.ask("hall light 1 min after sunset"),
            )
            with pytest.raises(
                BadQuestionError, match=r"got 'sunrise'. No change of sun.sun to above_horizon is recorded"
            ):
                await data.ask("hall light at sunrise")

    assert asked.why is not None
    assert asked.why.at_us == home.us(60)
    assert asked.why.sentence.startswith("Hall light turned on at ")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", asked.at)
    assert after.why is not None
    assert after.why.sentence.startswith("Hall light turned off at ")
    assert failed.what_failed is not None
    assert failed.what_failed.since_us == after.why.since_us == home.us(60)
    assert after.at == failed.at == f"since {asked.at}"
    assert span.at == f"{asked.at} to now"  # there was no sunrise since then
    assert hour.why is not None
    assert hour.why.at_us == home.us(120)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("why did the hall light turn on on 6/11", "6/11'.*either order. Write a date as 28 Nov"),
        ("hall light tomorrow at 7", "got 'tomorrow at 7'.*hassette upcoming"),
        ("hall light today at 23:59:59", "moment must be in the past, got 'today 23:59:59'"),
        ("hall light on 1 jan 2099", "moment must be in the past, got '1 jan 2099'"),
        ("hall light at dusk", "Write sunset or sunrise"),
        ("what happened before the last restart", "Write its time: hassette uptime shows it"),
    ],
)
async def test_time_without_an_answer_is_refused(data: DataSyncService, words: str, message: str) -> None:
    with pytest.raises(BadQuestionError, match=message):
        await data.ask(words)


@pytest.mark.parametrize("text", ["today 23:59:59", "1 jan 2099", "2099-01-01T07:00", "january 2099", "2099-01-01"])
async def test_asked_time_in_the_future_is_refused(data: DataSyncService, text: str) -> None:
    with pytest.raises(BadQuestionError, match=f"^at must be in the past, got '{text}'.* hassette upcoming"):
        await data.asked_time(text)


@pytest.mark.parametrize("text", ["today", "this week", "this evening", "tonight", "this weekend", "4070908800000000"])
async def test_asked_time_has_begun_or_is_that_of_a_link(data: DataSyncService, text: str) -> None:
    found = await data.asked_time(text)

    assert found.at_us <= now_us() or text.isdecimal()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("are all lights off", "1 of 3 entities with a known state is off now: Attic. "),
        ("is any light on", "2 of 3 entities with a known state are on now: Hall, Kitchen. "),
        ("which lights are on", "2 of 3 entities with a known state are on now: Hall, Kitchen. "),
        ("how many lights were on at {1}", "1 of 1 entity with a known state was on at {1}: Hall. "),
        ("which lights turned on", "These entities changed to on in the last 7 days: Hall 2 times, Kitchen 1 time. "),
        ("how often did the hall light turn on", "Hall changed to on 2 times in the last 7 days. Hall turned on at "),
        ("how often did the hall light change", "Hall changed 3 times in the last 7 days. Hall turned on at "),
        ("how often did the hall light turn on from {1} to {3}", "Hall changed to on 1 time from {1} to {3}. "),
        ("which app turned on the hall light", "Hall turned on at "),
        ("which doors are open", "Not all changes of these 2 entities are recorded, so their states are not known. "),
    ],
)
async def test_each_entity_of_several_is_named_with_its_changes(tmp_path: Path, words: str, sentence: str) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        for name in ("Hall", "Kitchen", "Attic"):
            home.named(f"light.{name.lower()}", name)
        for name in ("Front door", "Back door"):
            entity = f"binary_sensor.{name.lower().replace(' ', '_')}"
            home.named(entity, name)
            home.changed(50, entity, "off", "on", name)
        home.changed(70, "light.hall", "off", "on", "c1")
        home.changed(80, "light.hall", "on", "off", "c2")  # off again in the same minute
        home.changed(600, "light.attic", "on", "off", "c3")
        home.changed(610, "light.hall", "off", "on", "c4")
        home.changed(620, "light.kitchen", "off", "on", "c5")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            written = await data.home_time()
            clocks = [f"{written.local(home.us(minute * 60)):%H:%M}" for minute in range(4)]
            asked = await data.ask(words.format(*clocks))

    assert asked.why is not None
    assert _without_days(asked.why.sentence).startswith(sentence.format(*clocks)), asked.why.sentence


def _without_days(sentence: str) -> str:
    """Return a sentence without the days before its times, which it has soon after midnight."""
    return re.sub(r"(?:today |\d{1,2} [A-Z][a-z]{2} )(?=\d\d:\d\d)", "", sentence)


async def test_last_run_of_a_handler_is_named(data: DataSyncService) -> None:
    for words in ("when did motion_light last run", "when was the last time motion_light ran"):
        asked = await data.ask(words)

        assert asked.why_not is not None
        assert re.match(r"motion_light.hall.on_motion last ran at \S+\. ", _without_days(asked.why_not.sentence))


async def test_app_is_meant_although_the_words_of_its_name_fit_an_entity(tmp_path: Path) -> None:
    closed = Listener("window_closed", "room_climate", "", topic="state_changed.binary_sensor.window")
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("climate.living_room", "Living room")
        home.named("light.hall_light", "Hall light")
        home.run(10, closed, change("binary_sensor.window", "on", "off", "c1"))
        home.run(11, Listener("on_motion", "hall_light", ""), change("binary_sensor.hall", "off", "on", "c2"))
        home.changed(20, "climate.living_room", "off", "heat", "c3")
        home.changed(21, "light.hall_light", "off", "on", "c4")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            app, light = await data.ask("room_climate"), await data.ask("hall light")

    assert (app.kind, light.kind) == ("why_not", "why")


@pytest.mark.parametrize("part", ["tonight", "this weekend"])
async def test_part_that_has_not_begun_is_the_part_before_it(data: DataSyncService, part: str) -> None:
    asked = await data.ask(f"hall light {part}")

    assert asked.why is not None
    assert asked.why.since_us < asked.why.until_us
    assert asked.why.since_us < time.time_ns() // 1000


@pytest.mark.parametrize(
    ("entity", "old", "new", "words"),
    [
        ("climate.living_room", "off", "heat", "did the heating turn on"),
        ("climate.living_room", "off", "auto", "why did climate.living_room turn on"),
        ("climate.living_room", "heat", "off", "why did the thermostat turn off"),
        ("cover.blind", "closed", "opening", "why did the blinds open"),
        ("cover.blind", "opening", "open", "why did the cover open"),
        ("lock.front", "locked", "unlocking", "why was the lock unlocked"),
        ("vacuum.robot", "docked", "cleaning", "why did the vacuum turn on"),
        ("vacuum.robot", "returning", "docked", "why did vacuum.robot turn off"),
        ("media_player.radio", "off", "playing", "why did the radio turn on"),
        ("media_player.radio", "idle", "standby", "why did media_player.radio turn off"),
    ],
)
async def test_words_for_states_mean_those_of_the_domain(
    tmp_path: Path, entity: str, old: str, new: str, words: str
) -> None:
    other = f"{entity}_upstairs"
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named(entity, entity.partition(".")[2].replace("_", " "))
        home.named(other, f"{entity.partition('.')[2]} upstairs")
        home.changed(10, entity, old, new, "c1")
        home.changed(30, other, new, "unavailable", "c2")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask(words)

    assert asked.why is not None
    assert asked.why.entity is not None
    assert asked.why.entity.entity_id == entity
    assert len(asked.why.found) == 1
    assert asked.why.found[0].change is not None
    assert asked.why.found[0].change.new_state == new
    assert "No change of" not in asked.why.sentence


async def test_climate_that_changes_its_mode_was_on_before(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("climate.bath", "Bath")
        home.changed(10, "climate.bath", "off", "heat", "c1")
        home.changed(20, "climate.bath", "heat", "auto", "c2")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask("why did the heating turn on")

    assert asked.why is not None
    assert [one.change.new_state for one in asked.why.found if one.change is not None] == ["heat"]


@pytest.fixture
async def bedroom(tmp_path: Path) -> AsyncIterator[tuple[RecordedHome, DataSyncService]]:
    """A light that was turned on after 1 minute, off after 10, and on after 25 minutes and 10 seconds."""
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("light.bedroom", "Bedroom light")
        home.named("alex", "Alex", kind="user")
        home.changed(60, "light.bedroom", "off", "on", "c1", user="alex")
        home.changed(600, "light.bedroom", "on", "off", "c2", user="alex")
        home.changed(1510, "light.bedroom", "off", "on", "c3", user="alex")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            yield home, data


@pytest.mark.parametrize(
    "words", ["why was the bedroom light on", "was the bedroom light on", "why was the bedroom light left on"]
)
@pytest.mark.parametrize(
    ("minute", "begin"),
    [
        (5, r"Bedroom light was on at \S+\. Bedroom light turned on at \S+:01:00 because "),
        (1, r"Bedroom light was on at \S+\. Bedroom light turned on at \S+:01:00 because "),
        (24, r"Bedroom light was off at \S+\. Bedroom light turned off at .* Before that, Bedroom light turned on at "),
        (25, r"Bedroom light was on at \S+\. Bedroom light turned on at "),
    ],
)
async def test_state_at_a_moment_has_the_last_change_before_it(
    bedroom: tuple[RecordedHome, DataSyncService], words: str, minute: int, begin: str
) -> None:
    home, data = bedroom
    written = await data.home_time()
    at = written.local(home.us(minute * 60))

    asked = await data.ask(f"{words} at {at:%H:%M}")

    assert asked.why is not None
    first = written.local(home.us(60))
    assert re.match(begin.replace(r"\S+:01:00", f"{first:%H:%M:%S}"), _without_days(asked.why.sentence))


async def test_light_that_is_off_is_not_answered_as_if_it_were_on(
    bedroom: tuple[RecordedHome, DataSyncService],
) -> None:
    home, data = bedroom
    on = await data.ask("why is the bedroom light on")
    home.changed(1700, "light.bedroom", "on", "off", "c4", user="alex")
    await home.write()
    off = await data.ask("why is the bedroom light on")

    assert on.why is not None
    assert off.why is not None
    assert on.why.sentence.startswith("Bedroom light turned on at ")
    assert re.match(
        r"Bedroom light has been off since \S+\. Bedroom light turned off at .* Before that, Bedroom light turned on",
        off.why.sentence,
    )
    assert [one.change.new_state for one in off.why.found[:2] if one.change is not None] == ["off", "on"]


async def test_light_that_was_on_since_before_the_night_was_on(
    bedroom: tuple[RecordedHome, DataSyncService],
) -> None:
    home, data = bedroom
    written = await data.home_time()
    span = [f"{written.local(home.us(minute * 60)):%H:%M}" for minute in (3, 8)]

    asked = await data.ask(f"was the bedroom light on from {span[0]} to {span[1]}")

    assert asked.why is not None
    begin = f"Bedroom light was on at {span[0]}:00. Bedroom light turned on at "
    assert _without_days(asked.why.sentence).startswith(begin)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("why did the hal light trun on at 3:12", "light.hall"),
        ("why did the kichen light turn on", "light.kitchen"),
        ("who switched guest mode on", "input_boolean.guests"),
        ("why was the livin room light brighter", "light.living_room"),
    ],
)
async def test_suggestion_with_the_most_words_of_a_misspelt_name_is_first(
    tmp_path: Path, words: str, first: str
) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        for room in ("bathroom", "hall", "kitchen", "living_room"):
            home.named(f"light.{room}", f"{room.replace('_', ' ').capitalize()} light")
        home.named("cover.living_room_blinds", "Living room blinds")
        home.named("input_boolean.guests", "Guests")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask(words)

    assert asked.why is not None
    assert asked.why.suggestions[0].entity_id == first
    assert f"Did you mean {first}" in asked.why.sentence


@pytest.mark.parametrize(
    ("words", "subject", "state", "at"),
    [
        ("did lock.front_door change at 3:12", "lock.front_door", "", "03:12"),
        ("why did lock.front_door open", "lock.front_door", "open", ""),
        ("why is lock.front_door jammed", "lock.front_door", "", ""),
        ("why did cover.open close", "cover.open", "closed", ""),
        ("why is light.all on", "light.all", "on", ""),
        ("why did my_app.start run", "my_app.start", "", ""),
        ("why did motion_light.on_motion not run at 3 p.m.", "motion_light.on_motion", "", "15:00"),
        ("did backup run at 3 a.m.?", "backup", "", "03:00"),
        ("did backup run between 11 and 1 pm", "backup", "", "11:00 to 13:00"),
        ("did backup run between 10 and 11 pm", "backup", "", "22:00 to 23:00"),
        ("did backup run between 10 and 2 am", "backup", "", "22:00 to 02:00"),
    ],
)
def test_ids_keep_their_words_and_halves_of_a_day_are_read(words: str, subject: str, state: str, at: str) -> None:
    parsed = parse_words(words)
    assert (parsed.subject, parsed.state, parsed.at) == (subject, state, at)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("which lights are on", "1 of 30 entities with a known state is on now: Light 7. "),
        ("how many lights are off", "29 of 30 entities with a known state are off now: Light 0, "),
        ("why is the light on", "Light 7 turned on at "),
        ("how often did the lights turn on", "These entities changed to on in the last 7 days: Light 7 2 times, "),
    ],
)
async def test_all_entities_of_many_are_counted(tmp_path: Path, words: str, sentence: str) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        for number in range(30):
            home.named(f"light.number_{number}", f"Light {number}")
            home.changed(10 + number, f"light.number_{number}", "off", "on", f"on {number}")
            home.changed(50 + number, f"light.number_{number}", "on", "off", f"off {number}")
        home.changed(100, "light.number_7", "off", "on", "last")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask(words)

    assert asked.why is not None
    assert asked.why.sentence.startswith(sentence), asked.why.sentence
    if "how" in words:
        assert f", and {22 if 'often' in words else 9} more. " in asked.why.sentence


async def test_more_entities_than_are_examined_are_not_counted_as_all(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        for number in range(510):
            home.named(f"light.number_{number}", f"Light {number}")
            home.changed(10 + number / 10, f"light.number_{number}", "on", "off", f"off {number}")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask("which lights are on")

    assert asked.why is not None
    counted = "0 of 500 entities with a known state are on now. Only 500 of the entities that fit were examined. "
    assert asked.why.sentence.startswith(counted)


@pytest.mark.parametrize(
    ("cycles", "lost", "sentence"),
    [
        (100, 0, "Garage changed to open 100 times in the last 7 days. "),
        (100, 1, "Garage changed to open at least 100 times in the last 7 days. "),
        (1_300, 0, "Garage changed to open at least 1,250 times in the last 7 days. "),
    ],
)
async def test_number_of_changes_is_exact_or_at_least_the_examined_ones(
    tmp_path: Path, cycles: int, lost: int, sentence: str
) -> None:
    states = ("closed", "opening", "open", "closing", "closed")
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("cover.garage", "Garage")
        for number in range(cycles):
            for step in range(4):
                at_s = 10 + number + step / 4
                home.changed(at_s, "cover.garage", states[step], states[step + 1], f"c{number}.{step}")
        if lost:
            home.lose(20, "home_changes")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            asked = await data.ask("how often did the garage open")

    assert asked.why is not None
    assert asked.why.sentence.startswith(sentence), asked.why.sentence


async def test_changes_of_a_sensor_are_counted_from_the_runs_that_they_triggered(tmp_path: Path) -> None:
    motion = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
    also = Listener("also_on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("binary_sensor.hall", "Hall motion")
        home.named("binary_sensor.bath", "Bath motion")
        for number in range(60):
            home.run(10 + number, motion, change("binary_sensor.hall", "off", "on", f"on {number}"))
            home.run(10.1 + number, also, change("binary_sensor.hall", "off", "on", f"on {number}"))
            home.run(10.5 + number, motion, change("binary_sensor.hall", "on", "off", f"off {number}"))
        home.run(80, motion, change("binary_sensor.bath", "off", "on", "bath"))
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            one, both = (
                await data.ask("how often did the hall motion turn on"),
                await data.ask("which motion turned on"),
            )

    assert one.why is not None
    assert both.why is not None
    assert one.why.sentence.startswith("Hall motion changed to on at least 60 times in the last 7 days. ")
    listed = (
        "These entities changed to on in the last 7 days: Hall motion at least 60 times, Bath motion at least 1 time. "
    )
    assert both.why.sentence.startswith(listed)


async def test_entity_that_was_in_the_state_all_the_time_was_in_it_in_a_span(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        for name in ("Hall", "Kitchen", "Attic"):
            home.named(f"light.{name.lower()}", name)
        home.changed(1, "light.attic", "on", "off", "c1")
        home.changed(2, "light.hall", "off", "on", "c2")
        home.changed(150, "light.kitchen", "off", "on", "c3")
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            written = await data.home_time()
            clocks = [f"{written.local(home.us(minute * 60)):%H:%M}" for minute in range(7)]
            first = await data.ask(f"which lights were on from {clocks[1]} to {clocks[3]}")
            later = await data.ask(f"which lights were on from {clocks[4]} to {clocks[6]}")
            off = await data.ask(f"were all lights off from {clocks[4]} to {clocks[6]}")

    assert first.why is not None
    assert _without_days(first.why.sentence).startswith(
        f"2 of 3 entities with a known state were on at some time from {clocks[1]} to {clocks[3]}: Hall, Kitchen. "
        f"Kitchen changed to on 1 time from {clocks[1]} to {clocks[3]}. "
    ), first.why.sentence
    assert later.why is not None
    assert later.why.sentence.startswith("2 of 3 entities with a known state were on at some time from ")
    assert off.why is not None
    assert off.why.sentence.startswith("1 of 3 entities with a known state was off at some time from ")


@pytest.mark.parametrize(("number", "words"), [(49, "has 49 handlers"), (60, "has at least 50 handlers")])
async def test_more_handlers_than_a_search_reads_are_not_counted_as_all(
    tmp_path: Path, number: int, words: str
) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.register(*(Listener(f"on_{one}", "motion_light", "hall") for one in range(number)))
        await home.write()
        async with patient_data(tmp_path / "hassette.db") as data:
            answer = await data.why_not("motion_light")

    assert answer.sentence == f"motion_light {words} and jobs. Ask about one of them."
