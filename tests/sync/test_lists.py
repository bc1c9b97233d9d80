"""Lists of log lines, events, and triggers without a run: filters, order, and pages that neither skip nor repeat."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.questions.events import FrameworkEventFilter
from hassette_sync.questions.logs import LogFilter
from hassette_sync.questions.not_runs import NotRunFilter
from support.patient_data import patient_data
from support.recorded_home import RecordedHome, change, recorded_home
from support.rows import Due, Job, Listener, LogLine
from support.web_clients import app_client

MOTION = Listener("on_motion", "motion_light", "hall")
LIGHT = Listener("on_light", "presence", "default")
TIDY = Job("tidy", "cleaner", "default")
EVENT = change("light.hall", "off", "on", "c1")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    async with recorded_home(tmp_path / "hassette.db") as home:
        yield home


@pytest.fixture
async def data(home: RecordedHome, tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(tmp_path / "hassette.db") as data:
        yield data


def lines(*messages: str, level: int = 20) -> tuple[LogLine, ...]:
    return tuple(LogLine(level=level, message=message) for message in messages)


async def messages(data: DataSyncService, log_filter: LogFilter | None = None, **more: Any) -> list[str]:
    return [line.message for line in (await data.logs(log_filter or LogFilter(), **more)).lines]


async def test_log_lines_are_listed_newest_first(home: RecordedHome, data: DataSyncService) -> None:
    home.run(1, MOTION, EVENT, logs=lines("first", "second"))
    home.run(2, TIDY, Due(home.us(2)), logs=lines("third"))
    await home.write()

    assert await messages(data) == ["third", "second", "first"]


async def test_filters_on_log_lines_select_text_level_app_registration_and_run(
    home: RecordedHome, data: DataSyncService
) -> None:
    run = home.run(1, MOTION, EVENT, logs=[*lines("Grüße"), *lines("dark", level=30)])
    home.run(2, TIDY, Due(home.us(2)), logs=[*lines("dusty", level=40), *lines("clean", level=10)])
    await home.write()
    registration = (await data.run(run)).run.registration.id

    assert await messages(data, LogFilter(text="GRÜSSE")) == ["Grüße"]
    assert await messages(data, LogFilter(level="warning")) == ["dusty", "dark"]
    assert await messages(data, LogFilter(app="Cleaner")) == ["clean", "dusty"]
    assert await messages(data, LogFilter(app="other")) == []
    assert await messages(data, LogFilter(registration_id=registration, level="ERROR")) == []
    assert await messages(data, LogFilter(run_id=run)) == ["dark", "Grüße"]
    assert await messages(data, LogFilter(run_id=run, app="cleaner")) == []


async def test_time_range_of_log_lines_is_about_the_time_of_the_line(home: RecordedHome, data: DataSyncService) -> None:
    home.run(60, MOTION, EVENT, duration_s=300, logs=lines("early in a long run"))
    await home.write()

    assert await messages(data, time_range=TimeRange(home.us(50), home.us(70))) == ["early in a long run"]
    assert await messages(data, time_range=TimeRange(home.us(200), home.us(400))) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
async def test_pages_of_log_lines_neither_skip_nor_repeat(
    home: RecordedHome, data: DataSyncService, limit: int
) -> None:
    for number in range(5):
        home.run(number, MOTION, EVENT, logs=lines(*(f"{number} {line}" for line in range(3))))
    await home.write()

    found: list[str] = []
    cursor = None
    while True:
        page = await data.logs(cursor=cursor, limit=limit)
        found += [line.message for line in page.lines]
        if (cursor := page.next_cursor) is None:
            break

    assert found == [f"{number} {line}" for number in reversed(range(5)) for line in reversed(range(3))]


async def test_rare_text_is_found_although_each_page_examines_a_limited_number_of_lines(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(0, MOTION, EVENT, logs=lines("the needle"))
    for number in range(70):
        home.run(1 + number, MOTION, EVENT, logs=lines(*["hay"] * 100))
    await home.write()

    first = await data.logs(LogFilter(text="needle"))
    second = await data.logs(LogFilter(text="needle"), cursor=first.next_cursor)

    assert first.lines == ()
    assert [line.message for line in second.lines] == ["the needle"]
    assert second.next_cursor is None


async def test_lines_outside_runs_are_listed_between_the_lines_of_runs(
    home: RecordedHome, data: DataSyncService
) -> None:
    home.run(1, MOTION, EVENT, logs=lines("of a run"))
    home.log(2, 30, "of the framework")
    home.log(3, 40, "of an app", app="motion_light")
    home.run(4, TIDY, Due(home.us(4)), logs=lines("of a job"))
    await home.write()

    page = await data.logs()

    assert [line.message for line in page.lines] == ["of a job", "of an app", "of the framework", "of a run"]
    assert [line.run_id is None for line in page.lines] == [False, True, True, False]
    assert await messages(data, LogFilter(app="motion_light")) == ["of an app", "of a run"]
    assert await messages(data, LogFilter(text="framework")) == ["of the framework"]
    assert await messages(data, LogFilter(registration_id=page.lines[3].registration.id)) == ["of a run"]  # pyright: ignore[reportOptionalMemberAccess]
    second = await data.logs(limit=1, cursor=(await data.logs(limit=2)).next_cursor)
    assert [line.message for line in second.lines] == ["of the framework"]


async def test_start_of_a_changed_app_is_an_event_and_that_of_an_unchanged_app_is_none(
    home: RecordedHome, data: DataSyncService
) -> None:
    for at_s, version in ((1, "v1"), (2, "v1"), (3, "v2"), (4, "v1")):
        home.deploy(at_s, "hall", version, "0123456789")
    home.deploy(5, "other", "v1")
    await home.write()

    found = (await data.events(FrameworkEventFilter(group="deploy"))).events

    assert [(event.subject, event.at_us) for event in found] == [
        ("other", home.us(5)),
        *(("hall", home.us(at_s)) for at_s in (4, 3, 1)),
    ]
    assert found[1].detail == "Version v1, commit 01234567."
    assert all(event.group == "deploy" for event in found)


async def test_events_are_filtered_by_group_app_text_and_routine(home: RecordedHome, data: DataSyncService) -> None:
    home.event(1, "app_started", "motion_light.hall")
    home.event(2, "connection_lost", "ws://home", "The socket closed.")
    home.event(3, "control_run_job", "cleaner.tidy", "Started by the page.")
    home.event(4, "loop_blocked", "motion_light.hall.on_motion", "0.4 s")
    await home.write()

    async def listed(**wanted: Any) -> list[str]:
        return [event.kind for event in (await data.events(FrameworkEventFilter(**wanted))).events]

    assert (await listed())[:4] == ["loop_blocked", "control_run_job", "connection_lost", "app_started"]
    assert await listed(group="control") == ["control_run_job"]
    assert await listed(group="stall") == ["loop_blocked"]
    assert "connection_lost" in await listed(group="lifecycle")
    assert "loop_blocked" not in await listed(group="lifecycle")
    assert await listed(app="motion_light") == ["loop_blocked", "app_started"]
    assert await listed(app="motion") == []
    assert await listed(text="SOCKET") == ["connection_lost"]
    assert "app_started" not in await listed(routine=False)


async def test_triggers_without_a_run_are_filtered_and_paged_newest_first(
    home: RecordedHome, data: DataSyncService
) -> None:
    for number in range(5):
        home.not_run(number, MOTION, "condition", f"number {number}", EVENT)
    home.not_run(9, TIDY, "misfire", "too late", Due(home.us(3)))
    home.not_run(10, LIGHT, "rate_limited", "", None)
    await home.write()

    async def details(**wanted: Any) -> list[str]:
        return [one.detail for one in (await data.not_runs(NotRunFilter(**wanted))).samples]

    assert await details() == ["", "too late", "number 4", "number 3", "number 2", "number 1", "number 0"]
    assert await details(reason="misfire") == ["too late"]
    assert await details(app="motion_light", entity_id="light.hall", reason="condition") == [
        f"number {number}" for number in reversed(range(5))
    ]
    assert await details(entity_id="light.cellar") == []
    first = await data.not_runs(limit=3)
    second = await data.not_runs(limit=3, cursor=first.next_cursor)
    third = await data.not_runs(limit=3, cursor=second.next_cursor)
    samples = [*first.samples, *second.samples, *third.samples]
    assert [one.detail for one in samples] == await details()
    assert third.next_cursor is None
    assert samples[0].trigger is None
    assert samples[1].registration.name == "tidy"


@pytest.mark.parametrize(
    "path",
    [
        *("logs?level=loud", "logs?cursor=x", "logs?limit=0", "logs?run=x", "events?group=party", "events?cursor=x"),
        *(
            "not-runs?cursor=1",
            "not-runs?registration=x",
            "why",
            "why?entity=a.b&at=noonish",
            "why?entity=a.b&limit=99",
        ),
    ],
)
async def test_invalid_parameter_of_the_api_is_refused(data: DataSyncService, path: str) -> None:
    async with app_client(data) as client:
        assert (await client.get(f"/api/v1/{path}")).status_code == 400


@pytest.mark.parametrize("path", ["logs", "events", "not-runs", "why?entity=light.hall&at=03:12", "why?text=x"])
async def test_api_answers_on_an_empty_history(data: DataSyncService, path: str) -> None:
    async with app_client(data) as client:
        assert (await client.get(f"/api/v1/{path}")).status_code == 200
