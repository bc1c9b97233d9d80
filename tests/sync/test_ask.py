"""Words in the ask box, and their meaning."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hassette_sync import BadQuestionError, DataSyncService
from hassette_sync.questions.parsing import parse_words
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, call, change, recorded_home
from support.rows import Listener, LogLine
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
    ],
)
def test_words_are_parsed(words: str, kind: str, subject: str, at: str, state: str) -> None:
    parsed = parse_words(words)

    assert (parsed.kind, parsed.subject, parsed.at, parsed.state) == (kind, subject, at, state)


@pytest.mark.parametrize("words", ["", "?", "why", "why not?", "at 03:12", "why did the", "x" * 201])
def test_words_that_name_nothing_are_refused(words: str) -> None:
    with pytest.raises(BadQuestionError):
        parse_words(words)


@pytest.mark.parametrize(
    ("words", "about"),
    [
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
    assert asked.why.sentence.endswith("your app motion_light.hall.on_motion reacts to it.")


async def test_words_with_not_lead_to_why_not_for_a_handler_and_to_why_for_an_entity(data: DataSyncService) -> None:
    handler = await data.ask("why did motion_light not run?")
    entity = await data.ask("why did light.hall not turn off?")

    assert handler.why_not is not None
    assert handler.why_not.reason == "ran"
    assert entity.why is not None
    assert entity.why.sentence.startswith("Hall light did not change to off in this time.")


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
