"""Questions in words about failures: what failed, why, and whether the error is new."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hassette_sync import DataSyncService
from hassette_sync.answers.asked import WhatFailed
from hassette_sync.cli import main
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, call, change, recorded_home
from support.rows import Due, Failure, Job, Listener
from support.web_clients import app_client

MOTION = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
BACKUP = Job("nightly", "backup", "default")
FULL = Failure(type="OSError", message="no space left")
OLD = Failure(type="ValueError", message="no number")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    """One success and two failures of a handler, and a job that has succeeded since its failure."""
    async with recorded_home(tmp_path / "hassette.db") as home:
        motion = change("binary_sensor.hall", "off", "on", "d1")
        home.named("light.hall", "Hall light")
        home.run(10, MOTION, motion, calls=[call("light.turn_on", "light.hall", "ours")])
        home.run(200, MOTION, motion, status="error", failure=FULL)
        home.run(300, MOTION, motion, status="error", failure=OLD)
        home.run(5, BACKUP, Due(home.us(5)), status="error", failure=OLD)
        home.run(1500, BACKUP, Due(home.us(1500)))
        await home.write()
        yield home


@pytest.fixture
async def data(home: RecordedHome, tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(tmp_path / "hassette.db") as data:
        yield data


async def failures(data: DataSyncService, words: str) -> WhatFailed:
    asked = await data.ask(words)
    assert asked.what_failed is not None, words
    assert asked.kind == "what_failed"
    assert asked.sentence == asked.what_failed.sentence
    return asked.what_failed


@pytest.mark.parametrize(
    "words",
    [
        "Why did motion_light.on_motion fail?",
        "why did motion_light.hall.on_motion crash",
        "why does motion light keep failing",
        "did motion_light.on_motion fail in the last 2 hours",
        "what went wrong with motion_light?",
        "errors of motion_light.on_motion",
        "show me the failures of motion_light",
        "motion_light.on_motion failed",
        "list failed runs of motion_light",
        "error of motion_light",
        "is motion_light ok",
        "how often did motion_light fail",
        "why did the hall light fail",
    ],
)
async def test_failures_of_a_handler_are_named_with_their_error_and_runs(data: DataSyncService, words: str) -> None:
    answer = await failures(data, words)

    assert [ref.title for ref in answer.registrations] == ["motion_light.hall.on_motion"]
    assert (answer.failed, answer.total) == (2, 3)
    assert [run.failure.type for run in answer.runs if run.failure] == ["ValueError", "OSError"]
    assert answer.sentence.startswith("motion_light.hall.on_motion failed 2 times ")
    assert "ValueError: no number. This error is new: its first failure was at " in answer.sentence
    assert [one.group.recent for one in answer.errors] == [1, 1]


@pytest.mark.parametrize(
    "words",
    [
        "what failed",
        "What failed in the last 2 hours, since when, and is that new?",
        "which errors are there",
        "is that new?",
        "did anything fail",
        "which apps failed",
        "what's wrong",
        "errors",
        "any problems?",
        "failed runs",
        "failing",
        "list all failed runs",
        "is everything ok?",
        "are there any issues",
    ],
)
async def test_failures_of_all_are_named(data: DataSyncService, words: str) -> None:
    answer = await failures(data, words)

    assert answer.subject == ""
    assert answer.failed == 3
    assert answer.sentence.startswith("3 runs failed ")
    assert [run.registration.app for run in answer.runs] == ["motion_light", "motion_light", "backup"]


async def test_failures_of_one_kind_are_named(data: DataSyncService) -> None:
    jobs, handlers = await failures(data, "which jobs failed"), await failures(data, "did any handler fail")

    assert [run.registration.title for run in jobs.runs] == ["backup.nightly"]
    assert handlers.sentence.startswith("2 runs of handlers failed in the last 24 hours.")


async def test_runs_with_one_result_are_named(home: RecordedHome, data: DataSyncService) -> None:
    none = await failures(data, "which runs timed out")
    home.run(600, BACKUP, Due(home.us(600)), status="timed_out", failure=Failure(type="TimeoutError", message="10 s"))
    await home.write()

    assert (await failures(data, "why is backup timing out")).sentence.startswith("backup.nightly timed out once")
    assert none.sentence == "No run timed out in the last 24 hours (5 runs). No earlier timeout is recorded."
    assert (await failures(data, "which runs timed out")).sentence.startswith(
        "backup.nightly timed out once in the last"
    )


async def test_failure_nearest_to_the_moment_comes_first(home: RecordedHome, data: DataSyncService) -> None:
    shown = (await data.home_time()).local(home.us(180))

    answer = await failures(data, f"why did motion_light.on_motion fail at {shown:%H:%M}")

    assert [run.failure.type for run in answer.runs if run.failure] == ["OSError", "ValueError"]
    assert "The nearest failure was at " in answer.sentence
    assert "OSError: no space left" in answer.sentence


async def test_handler_without_a_failure_in_the_time_is_answered_with_the_last_one_before(
    home: RecordedHome, data: DataSyncService
) -> None:
    shown = (await data.home_time()).local(home.us(1500))

    answer = await failures(data, f"why did backup fail at {shown:%H:%M}")

    assert answer.runs == ()
    assert answer.last_before is not None
    # Shortly after midnight, the time has a date.
    assert re.match(rf"backup\.nightly did not fail around (\d+ \w+ )?{shown:%H:%M}:00 \(1 run\)\. ", answer.sentence)
    assert " The last failure before that time was at " in answer.sentence
    assert answer.sentence.endswith("ValueError: no number.")


async def test_time_without_runs_is_not_a_time_without_failures(data: DataSyncService) -> None:
    answer = await failures(data, "why did backup fail 5 days ago")

    assert (answer.failed, answer.total, answer.last_before) == (0, 0, None)
    assert answer.sentence.startswith("No run of backup.nightly is recorded from ")
    assert answer.sentence.endswith(" No earlier failure is recorded.")


async def test_successes_before_the_time_are_not_denied(home: RecordedHome, data: DataSyncService) -> None:
    hall = Listener("a", "hall", "default", topic="state_changed.light.hall")
    home.run(-8 * 86_400, hall, change("light.hall", "off", "on", "d2"))
    await home.write()

    answer = await failures(data, "did hall.a fail")

    assert answer.sentence == "No run of hall.a is recorded in the last 7 days. No earlier failure is recorded."


async def test_sentence_about_very_many_failures_begins_in_upper_case(
    home: RecordedHome, data: DataSyncService
) -> None:
    for number in range(500):
        home.run(600 + number / 10, BACKUP, Due(home.us(600)), status="error", failure=OLD)
    await home.write()

    assert (await failures(data, "what failed")).sentence.startswith("At least 500 runs failed in the last 24 hours.")


async def test_error_that_failed_before_the_time_is_not_new(home: RecordedHome, data: DataSyncService) -> None:
    shown = (await data.home_time()).local(home.us(300))

    answer = await failures(data, f"what failed since {shown:%H:%M}")

    assert answer.failed == 1
    assert "This error began before that time, at " in answer.sentence
    assert answer.sentence.endswith("and it has 2 failures in total.")


async def test_misspelt_handler_gets_a_suggestion(data: DataSyncService) -> None:
    answer = await failures(data, "why did motion_light.on_moton fail")

    assert answer.sentence == (
        "No handler, job or app is called motion_light.on_moton. Did you mean motion_light.hall.on_motion?"
    )
    assert [ref.title for ref in answer.suggestions] == ["motion_light.hall.on_motion"]


async def test_app_that_failed_to_start_is_named(home: RecordedHome, data: DataSyncService) -> None:
    home.event(400, "app_failed", "doors", "ImportError: no module named door.")
    await home.write()

    everything, doors = await failures(data, "what failed"), await failures(data, "why did doors fail")

    assert everything.sentence.endswith("ImportError: no module named door.")
    assert [start.subject for start in everything.failed_starts] == ["doors"]
    assert doors.sentence.startswith("doors has no runs, because the app doors failed to start at ")


async def test_text_of_an_error_is_still_found(data: DataSyncService) -> None:
    for words in ("no space left failed", "when did OSError first happen", "is the no space left error new"):
        answer = await failures(data, words)
        assert answer.sentence.startswith("motion_light.hall.on_motion failed once in the last 7 days, at "), words
        assert answer.registrations == (), words
    for words in ("why did OSError happen", "why “no space left”"):
        asked = await data.ask(words)
        assert asked.why is not None, words
        assert "OSError: no space left" in asked.why.sentence, words


async def test_failed_call_of_a_service_is_about_the_service(data: DataSyncService) -> None:
    asked = await data.ask("why did light.turn_on fail")

    assert asked.why is not None
    assert asked.why.about == "service"


async def test_failures_are_on_the_page_with_links_to_runs_and_errors(data: DataSyncService) -> None:
    answer = await failures(data, "what failed")
    async with app_client(data) as client:
        page = (await client.get("/ask", params={"q": "what failed?"})).text
        api = (await client.get("/api/v1/ask", params={"q": "what failed?"})).json()
        unknown = (await client.get("/ask", params={"q": "why did backup.nihgtly fail"})).text

    for run in answer.runs:
        assert f'runs/{run.id}"' in page
    for one in answer.errors:
        assert f'errors/{one.group.id}"' in page
    assert "hassette ask &#39;what failed?&#39;" in page
    assert api["what_failed"]["sentence"] == answer.sentence
    assert 'ask?q=did%20backup.nightly%20fail"' in unknown or 'ask?q=did+backup.nightly+fail"' in unknown


async def test_last_failure_is_before_the_time_on_the_page_and_in_the_terminal(
    home: RecordedHome, data: DataSyncService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"why did backup fail at {(await data.home_time()).local(home.us(1500)):%H:%M}"
    async with app_client(data) as client:
        page = (await client.get("/ask", params={"q": words})).text

    assert await asyncio.to_thread(main, ["ask", words, "--db", str(tmp_path)]) == 0
    assert "The last failure before that time: " in capsys.readouterr().out
    assert "The last failure before that time: " in page


async def test_failures_are_in_the_terminal(
    data: DataSyncService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await failures(data, "why did motion_light fail")

    assert await asyncio.to_thread(main, ["ask", "why", "did", "motion_light", "fail", "--db", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert await asyncio.to_thread(main, ["why", "did", "motion_light", "fail", "--db", str(tmp_path)]) == 0
    assert capsys.readouterr().out == output
    assert answer.sentence in output
    for run in answer.runs:
        assert str(run.id) in output
    assert f"(error {answer.errors[0].group.id})" in output


async def test_link_to_all_failed_runs_has_the_filters_of_the_question(
    home: RecordedHome, data: DataSyncService
) -> None:
    motion = change("binary_sensor.hall", "off", "on", "d1")
    for second in range(25):
        home.run(1600 + second, MOTION, motion, status="timed_out", failure=FULL)
        home.run(1700 + second, BACKUP, Due(home.us(1700 + second)), status="error", failure=OLD)
    await home.write()

    async with app_client(data) as client:
        for words, number in (
            ("which runs timed out", 25),
            ("which jobs failed", 26),
            ("why did motion_light.on_motion time out", 25),
            ("what failed", 53),
            ("no space left failed", 26),
        ):
            page = (await client.get("/ask", params={"q": words})).text
            link = html.unescape(re.findall(r'<a href="([^"]*)">All failed runs of this time</a>', page)[0])
            listed = (await client.get(f"/api/v1/{link.lstrip('./')}&limit=100")).json()["runs"]
            assert len(listed) == number, (words, link)


async def test_failed_starts_are_only_those_of_the_apps_that_change_the_entity(
    home: RecordedHome, data: DataSyncService
) -> None:
    motion, off = change("binary_sensor.hall", "off", "on", "d1"), Job("lights_off", "evening", "default")
    home.run(20, MOTION, motion, calls=[call("light.turn_on", "light.hall", "a")])
    home.run(30, off, Due(home.us(30)), calls=[call("light.turn_off", "light.hall", "b")])
    for second, app in enumerate(("doors", "evening.default", "evening.default", "motion_light.hall")):
        home.event(400 + second, "app_failed", app, "ImportError: no module named door.")
    await home.write()

    answer = await failures(data, "why did light.hall fail")

    assert {ref.app for ref in answer.registrations} == {"evening", "motion_light"}
    subjects = [start.subject for start in answer.failed_starts]
    assert subjects == ["motion_light.hall", "evening.default", "evening.default"]
    assert "doors" not in answer.sentence


async def test_noun_of_the_last_failure_is_that_of_the_question(home: RecordedHome, data: DataSyncService) -> None:
    home.run(100, MOTION, change("binary_sensor.hall", "off", "on", "d1"), status="timed_out", failure=FULL)
    await home.write()
    words = "did motion_light.on_motion time out in the last 5 minutes"
    async with app_client(data) as client:
        page = (await client.get("/ask", params={"q": words})).text
    assert "The last timeout before that time:" in page
