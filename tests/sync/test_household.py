"""The page for the people of the home: plain words, its own secret, and nothing else for that secret."""

import contextlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.control import ControlAction, MemoryControl
from hassette_sync.live import MemorySnapshot
from hassette_sync.questions.household import MAX_ACTIONS
from hassette_sync.settings import WebSettings
from support.history import HOUR, SECOND, History, NewHistory
from support.web_clients import app_client

pytest.importorskip("fastapi")

TOKEN = "a-secret-of-many-letters"
SHARED = "another-secret-of-letters"


def write_home(history: History, now_us: int) -> None:
    """Write a light that motion and a schedule switch, a cover whose call fails once, and a message."""
    history.session(now_us - HOUR)
    light = history.listener("motion_light", "on_motion", "t")
    job = history.job("night_mode", "good_night", "daily")
    at_us = now_us - 20 * SECOND

    def call(service: str, *entities: str, error: str | None = None) -> dict[str, object]:
        target = json.dumps({"entity_id": list(entities)}) if entities else None
        return {"service": service, "target": target, "context_id": None, "error": error}

    for n in range(3):
        history.run(
            light, at_us + n, entity_id="binary_sensor.hall_motion", calls=[call("light.turn_on", "light.hall")]
        )
    history.run(job, at_us + 4, job=True, calls=[call("light.turn_off", "light.hall", "light.kitchen_lamp")])
    history.run(job, at_us + 5, job=True, calls=[call("cover.close_cover", "cover.bedroom", error="Unavailable")])
    history.run(job, at_us + 6, job=True, calls=[call("notify.phone")])
    history.db.executemany(
        "INSERT INTO home_names (kind, key, name, area) VALUES ('entity', ?, ?, ?)",
        [
            ("light.hall", "Hall light", "Hall"),
            ("binary_sensor.hall_motion", "Hall motion", "Hall"),
            ("cover.bedroom", "Blinds", None),
        ],
    )


@pytest.fixture
def home_path(new_history: NewHistory, now_us: int) -> Path:
    with new_history() as history:
        write_home(history, now_us)
        # A home in a zone where it is the middle of the day, so that all runs are of today.
        hours = 12 - now_us // HOUR % 24
        zone = f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
        history.db.execute("UPDATE sessions SET facts = json_set(facts, '$.time_zone', ?)", (zone,))
    return history.path


async def test_actions_are_listed_by_room_in_plain_words(home_path: Path) -> None:
    async with DataSyncService(home_path) as data:
        answer = await data.household()
    assert (answer.level, answer.sentence, answer.problems) == ("good", "All automations work.", ())
    assert [room.name for room in answer.rooms] == ["Hall", ""]
    assert [(item.title, item.sentence) for room in answer.rooms for item in room.items] == [
        ("Hall light", "switched 4 times today by Hall motion and by a schedule, all well"),
        ("Blinds", "moved once today by a schedule, but it failed"),
        ("Kitchen lamp light", "switched once today by a schedule, all well"),
    ]


async def test_job_that_a_person_started_is_not_called_a_schedule(home_path: Path, now_us: int) -> None:
    with History(home_path) as history:
        calls = [{"service": "light.turn_off", "target": '{"entity_id": ["light.porch"]}'}]
        history.run(2, now_us - 5 * SECOND, job=True, manual=1, calls=calls)
    async with DataSyncService(home_path) as data:
        sentences = {item.title: item.sentence for room in (await data.household()).rooms for item in room.items}
    assert sentences["Porch light"] == "switched once today by hand, all well"
    assert sentences["Kitchen lamp light"] == "switched once today by a schedule, all well"


@pytest.mark.parametrize(
    ("failed", "sentence"),
    [
        ([False, True], "switched twice today by a schedule, but it failed once"),
        ([True, True, False], "switched 3 times today by a schedule, but it failed twice"),
        ([True, True], "switched twice today by a schedule, but it failed each time"),
    ],
)
async def test_failed_actions_are_counted_in_words(
    home_path: Path, now_us: int, failed: list[bool], sentence: str
) -> None:
    with History(home_path) as history:
        for n, is_failed in enumerate(failed):
            call = {"service": "light.turn_off", "target": '{"entity_id": ["light.porch"]}'}
            history.run(2, now_us - 5 * SECOND + n, job=True, calls=[{**call, "error": "x" if is_failed else None}])
    async with DataSyncService(home_path) as data:
        sentences = {item.title: item.sentence for room in (await data.household()).rooms for item in room.items}
    assert sentences["Porch light"] == sentence


async def test_page_shows_that_a_busy_day_is_not_counted_completely(home_path: Path, now_us: int) -> None:
    async with DataSyncService(home_path) as data, app_client(data) as client:
        assert (await data.household()).complete
        assert "Only the newest actions" not in (await client.get("/home")).text
    with History(home_path) as history:
        job = history.job("night_mode", "blink", "every 1 s")
        call = {"service": "light.toggle", "target": '{"entity_id":"light.hall"}', "context_id": None, "error": None}
        history.begin()
        for number in range(MAX_ACTIONS):
            history.run(job, now_us - 10 * SECOND + number, job=True, calls=[call])
        history.commit()
    async with DataSyncService(home_path) as data, app_client(data) as client:
        answer = await data.household()
        text = (await client.get("/home")).text
    assert not answer.complete
    assert [item.count for item in answer.rooms[0].items] == [MAX_ACTIONS]
    assert "Only the newest actions of the day are counted." in text


async def test_kind_is_added_to_a_device_with_the_name_of_its_room(home_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(home_path)) as database, database:
        database.execute("UPDATE home_names SET name = 'Hall', area = 'Hall' WHERE key = 'light.hall'")
        database.execute("UPDATE home_names SET name = 'Hall', area = 'Hall' WHERE key = 'cover.bedroom'")
    async with DataSyncService(home_path) as data:
        rooms = (await data.household()).rooms
    assert [item.title for item in rooms[0].items] == ["Hall light", "Hall cover"]


async def test_page_is_in_the_menu_and_leads_back_to_the_overview(home_path: Path) -> None:
    async with DataSyncService(home_path) as data, app_client(data) as client:
        assert re.search(r'<a href="./home" data-key="u">Household</a>', (await client.get("/")).text)
        assert '<a class="underlined" href="./">Overview</a>' in (await client.get("/home")).text


async def test_page_has_no_names_from_code(home_path: Path) -> None:
    async with DataSyncService(home_path) as data, app_client(data) as client:
        text = (await client.get("/home")).text
    shown = re.sub(r"<[^>]+>", " ", text.partition("<main")[2])
    assert "Hall light" in shown
    for code in ("motion_light", "on_motion", "good_night", "light.hall", "binary_sensor", "turn_on"):
        assert code not in shown


@pytest.mark.parametrize(
    ("outcome", "level", "sentence"),
    [
        ("clean", "bad", "The automations have not been running since "),
        ("crashed", "bad", "The automations have not been running since "),
    ],
)
async def test_a_stop_is_named_first(home_path: Path, now_us: int, outcome: str, level: str, sentence: str) -> None:
    with History(home_path) as history:
        history.db.execute("UPDATE sessions SET ended_us = ?, outcome = ?", (now_us, outcome))
    async with DataSyncService(home_path) as data:
        answer = await data.household()
    assert answer.level == level
    assert answer.sentence.startswith(sentence)


async def test_a_failing_app_is_named_in_words(home_path: Path, now_us: int) -> None:
    with History(home_path) as history:
        history.run(history.listener("climate_guard", "on_x", "t"), now_us - SECOND, status="error")
    async with DataSyncService(home_path) as data:
        answer = await data.household()
    assert (answer.level, answer.sentence) == ("warning", "The automations run, but some of them have problems.")
    assert answer.problems == ("Climate guard does not work at the moment.",)


async def test_switched_off_rehearsing_and_paused_automations_are_named(home_path: Path, now_us: int) -> None:
    with History(home_path) as history:
        for kind, subject in (
            ("disable_app", "motion_light"),
            ("rehearse_app", "energy"),
            ("pause_job", "night_mode.night_mode.good_night"),
        ):
            history.lifecycle(1, now_us - 10 * SECOND, f"control_{kind}", subject)
    control = MemoryControl({"motion_light": [], "garden": []})
    for app in ("motion_light", "garden"):
        await control.act(ControlAction(verb="disable_app", target=app, by="the test"))
    feed = MemoryFeed()
    feed.state = MemorySnapshot(ready=True, connection="connected")
    async with DataSyncService(home_path) as data, DataSyncService(home_path, feed, control) as inside:
        answer, present = await data.household(), await inside.household()

    assert answer.level == present.level == "warning"
    assert answer.sentence == "The automations run, but some of them are switched off or in rehearsal or paused."
    assert present.sentence == "The automations run, but some of them are switched off."
    assert [re.sub(r"since .*\d", "since then", text) for text in answer.problems] == [
        "Motion light has been switched off since then.",
        "Energy has been in rehearsal since then.",
        "A schedule of Night mode has been paused since then.",
    ]
    assert [re.sub(r"since .*\d", "since then", text) for text in sorted(present.problems)] == [
        "Garden is switched off.",
        "Motion light has been switched off since then.",
    ]


async def test_an_empty_history_is_no_error(new_history: NewHistory) -> None:
    with new_history() as history:
        pass
    async with DataSyncService(history.path) as data, app_client(data) as client:
        answer = await client.get("/home")
    assert answer.status_code == 200
    assert "The automations have not run yet." in answer.text


@pytest.fixture
async def guarded(home_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = WebSettings(token=TOKEN, household_token=SHARED)
    async with DataSyncService(home_path) as data, app_client(data, settings) as client:
        yield client


async def test_the_second_secret_opens_only_this_page_and_static_files(guarded: httpx.AsyncClient) -> None:
    shared = (await guarded.get(f"/home?token={SHARED}")).text
    assert "Hall light" in shared
    assert "Overview</a>" not in shared
    assert (await guarded.get("/static/hassette.css")).status_code == 200
    for path in ("/", "/runs", "/api/v1/status", "/home/x", "/events", "/why?entity=light.hall", "/logs"):
        separator = "&" if "?" in path else "?"
        for headers in ({}, {"authorization": f"Bearer {SHARED}"}, {"x-hassette-token": SHARED}):
            answer = await guarded.get(f"{path}{separator}token={SHARED}", headers=headers)
            assert answer.status_code in (401, 404), path
            assert "Hall" not in answer.text
    assert (await guarded.post("/login", data={"token": SHARED, "next": "/"})).status_code != 303


async def test_without_a_right_secret_the_page_stays_closed(guarded: httpx.AsyncClient) -> None:
    for path in ("/home", "/home?token=", "/home?token=wrong", f"/home?key={SHARED}", f"/home?token={SHARED}x"):
        assert (await guarded.get(path)).status_code == 401, path
    assert (await guarded.get("/home", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200
    assert (await guarded.get(f"/home?token={TOKEN}")).status_code == 401, "the first secret belongs in no address"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token": TOKEN, "household_token": "short"}, "household_token must be a secret of at least 16 characters"),
        ({"token": TOKEN, "household_token": TOKEN}, "household_token must be another secret than token"),
        ({"household_token": SHARED}, "household_token must be used with token"),
        ({"token": TOKEN, "household_token": 5}, "household_token must be text, got int"),
        ({"home_url": "javascript:alert(1)"}, "home_url must be an address such as"),
        ({"home_url": "http://"}, "home_url must be an address such as"),
        ({"home_url": "http://x:port"}, "home_url must be an address such as"),
        ({"editor_url": "javascript:alert({file})"}, "editor_url must be an address such as"),
        ({"editor_url": "vscode://file/x"}, "editor_url must be an address such as"),
        ({"editor_url": 3}, "editor_url must be text, got 3"),
    ],
)
def test_wrong_setting_is_refused_with_its_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        WebSettings.from_mapping(given)
    assert SHARED not in str(refused.value)


def test_right_settings_are_accepted() -> None:
    settings = WebSettings.from_mapping(
        {
            "token": TOKEN,
            "household_token": SHARED,
            "home_url": "https://home.example:8123",
            "editor_url": "vscode://file/{file}:{line}",
        }
    )
    assert settings.household_token == SHARED
