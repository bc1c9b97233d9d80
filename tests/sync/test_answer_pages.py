"""The pages of the questions: ask, why, logs, events, and triggers that led to no run."""

import html
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from hassette_sync import DataSyncService
from support.history import HOUR, MINUTE, SECOND, NewHistory
from support.recorded_home import recorded_home
from support.web_clients import app_client, without_breaks

pytest.importorskip("fastapi")
from hassette_sync.web.differences import differences_of
from hassette_sync.web.outside import editor_address, home_address


@pytest.fixture
async def client(data: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(data) as client:
        yield client


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_breaks(page).partition("<main")[2])).split())


@pytest.mark.parametrize(
    "question",
    [
        "why did light.kitchen turn on?",
        "light.kitchen",
        "Why did the light.kitchen go on",
        "why was light.kitchen turned on",
        "kitchen light",
    ],
)
async def test_question_in_words_is_answered_with_the_chain(client: httpx.AsyncClient, question: str) -> None:
    answer = await client.get("/ask", params={"q": question})
    assert answer.status_code == 200
    shown = text_of(answer.text)
    assert "light.kitchen turned on at" in shown
    assert "motion_light.kitchen.on_motion" in shown
    assert "called light.turn_on for light.kitchen" in shown
    assert f'value="{html.escape(question)}"' in answer.text, "the box keeps the question"
    assert re.search(r'href="\./runs/\d+"', answer.text), "the run is one click away"


async def test_question_with_a_time_is_about_that_time(client: httpx.AsyncClient) -> None:
    shown = text_of((await client.get("/ask", params={"q": "why did light.kitchen change at 00:01?"})).text)
    assert "asked about" in shown
    assert "hassette why light.kitchen --at 00:01" in shown


async def test_links_to_the_changes_before_and_after_a_question_lead_to_their_answers(tmp_path: Path) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.changed(0, "light.hall", "off", "on", "d1")
        home.changed(1500, "light.hall", "on", "off", "d2")
        await home.write()
        async with DataSyncService(tmp_path / "hassette.db") as data, app_client(data) as client:
            at = datetime.fromtimestamp(home.us(750) // SECOND, (await data.home_time()).zone).strftime(
                "%Y-%m-%dT%H:%M"
            )
            question = {"q": f"why did light.hall change at {at}?", "since": "7d"}
            for path in ("/ask", "/why"):
                asked = question if path == "/ask" else {"entity": "light.hall", "at": home.us(750), "since": "7d"}
                page = (await client.get(path, params=asked)).text
                shown = page[page.index('id="answer"') :].partition("</section>")[0]
                links = re.findall(r'href="([^"]*\bat=\d[^"]*)"', shown)
                assert len(links) == 2, path
                for link in links:
                    answer = (await client.get(f"/{html.unescape(link)}")).text
                    assert "since=7d" in link
                    assert 'class="card explained"' in answer


@pytest.mark.parametrize(
    ("question", "code", "problem"),
    [
        (
            "help",
            404,
            "The question must name an entity, a service, a handler or a text in quotes, got",
        ),
        ("hall light at 25:00", 400, "The time in the question must be an age such as 24h or 7d, or a time such as"),
        ("light on 31.2.", 400, "The time in the question must be "),
    ],
)
async def test_question_that_cannot_be_answered_stays_in_the_box(
    client: httpx.AsyncClient, question: str, code: int, problem: str
) -> None:
    answer = await client.get("/ask", params={"q": question})

    assert answer.status_code == code
    assert problem in answer.text
    assert f'name="q" value="{question}"' in answer.text


async def test_empty_question_shows_the_box(client: httpx.AsyncClient) -> None:
    for path in ("/ask", "/ask?q=", "/why", "/ask?q=%3F"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert 'name="q"' in answer.text


async def test_unknown_name_has_suggestions(client: httpx.AsyncClient) -> None:
    answer = await client.get("/why", params={"entity": "light.kitchn"})
    assert "Did you mean" in answer.text
    assert 'href="./why?entity=light.kitchen"' in answer.text


async def test_question_cannot_contain_markup(client: httpx.AsyncClient) -> None:
    for path in ("/ask", "/why"):
        key = "q" if path == "/ask" else "entity"
        answer = await client.get(path, params={key: "<script>alert(1)</script>"})
        assert "<script>alert" not in answer.text


async def test_command_quotes_the_subject_for_the_shell(client: httpx.AsyncClient) -> None:
    answer = await client.get("/why", params={"text": "it's $(dark)"})
    assert "hassette why --text 'it'\"'\"'s $(dark)'" in html.unescape(answer.text)


async def test_logs_are_found_by_text_level_and_app(client: httpx.AsyncClient) -> None:
    answer = await client.get("/logs", params={"text": "HALL IS DARK", "level": "warning", "app": "motion_light"})
    rows = re.findall(r'<tr class="level-(\w+)">', answer.text)
    assert rows
    assert set(rows) == {"warning"}
    assert "The kitchen is dark" not in answer.text
    names = re.findall(r'class="chip" href="[^"]*"[^>]*><span class="quiet">([^<]+)</span>', answer.text)
    assert names == ["text", "level", "app"]


async def test_each_log_line_leads_to_its_run_and_to_the_lines_around_it(client: httpx.AsyncClient) -> None:
    text = (await client.get("/logs?text=unavailable")).text
    around = html.unescape(re.findall(r'<a class="around" href="([^"]+)"', text)[0])
    assert "text=" not in around
    near = (await client.get(f"/logs{around}")).text
    assert "No set-point: the heating stays as it is" in near
    assert re.search(r'<a data-open href="\./runs/\d+', text)


async def test_events_are_filtered_by_group_and_text(client: httpx.AsyncClient) -> None:
    assert "app failed" in (await client.get("/events")).text
    found = (await client.get("/events", params={"text": "connection", "group": "lifecycle"})).text
    assert "connection lost" in found
    assert "ModuleNotFoundError" not in found
    refused = await client.get("/events?group=party")
    assert refused.status_code == 400
    assert "group must be one of" in refused.text


async def test_triggers_without_a_run_are_listed_with_their_reasons(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("hall", "on_motion", "t")
        history.not_run(handler, now_us - MINUTE, "condition", "sun.sun is above the horizon")
        history.not_run(history.listener("door", "on_door", "t"), now_us - MINUTE, "rate_limited")
    async with DataSyncService(history.path) as data, app_client(data) as client:
        all_ = text_of((await client.get("/not-run")).text)
        some = text_of((await client.get("/not-run", params={"reason": "condition"})).text)
    assert "a condition did not hold sun.sun is above the horizon" in all_
    assert "rate limited" in all_
    assert "on_door" not in some


async def test_triggers_that_are_only_counted_are_shown(client: httpx.AsyncClient) -> None:
    all_ = text_of((await client.get("/not-run")).text)
    assert "Every trigger led to a run" not in all_
    assert re.search(r"motion_light ·hall on_motion \d+ triggers · rate limited", all_)
    some = text_of((await client.get("/not-run", params={"reason": "overlap", "app": "climate_guard"})).text)
    assert re.search(r"check_windows \d+ triggers · overlap", some)
    assert "rate limited" not in some
    none = (await client.get("/not-run", params={"app": "presence"})).text
    assert "No trigger matches" in none
    assert "Every trigger led to a run" not in none


async def test_list_that_a_filter_leaves_empty_does_not_claim_that_there_is_nothing(client: httpx.AsyncClient) -> None:
    events = text_of((await client.get("/events", params={"text": "no such word"})).text)
    assert "No event matches" in events
    assert "No events in this time range" not in events
    assert "Ordinary starts and stops are hidden" in events
    with_starts = text_of((await client.get("/events", params={"text": "no such word", "routine": "yes"})).text)
    assert "No event matches" in with_starts
    assert "Ordinary starts and stops are hidden" not in with_starts
    logs = text_of((await client.get("/logs", params={"text": "no such word"})).text)
    assert "No log line matches Remove a filter" in logs


async def test_lists_of_an_empty_time_range_claim_only_what_is_known(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 3 * HOUR)
        history.job("app", "nightly", "cron 0 3 * * *", last_registered_us=now_us - HOUR, retired_us=now_us - SECOND)
        history.listener("other", "on_motion", "t")
    async with DataSyncService(history.path) as data, app_client(data) as client:
        not_run = text_of((await client.get("/not-run")).text)
        events = text_of((await client.get("/events")).text)
        jobs = text_of((await client.get("/jobs", params={"app": "app"})).text)
        sessions = text_of((await client.get("/sessions")).text)
    assert "Every trigger led to a run" in not_run
    assert "No events in this time range" in events
    assert "All jobs of app are retired" in jobs
    assert "No events other than ordinary starts and stops in this time range." in sessions


async def test_app_that_was_removed_is_not_an_app_that_never_was(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 3 * HOUR)
        history.listener("app", "on_light", "t", last_registered_us=now_us - HOUR, retired_us=now_us - SECOND)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        shown = text_of((await client.get("/apps")).text)
    assert "A removed app appears only if it had runs in this time range." in shown
    assert "No apps yet" not in shown


async def test_losses_with_the_same_reason_are_one_line(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.db.executemany(
            "INSERT INTO losses (session_id, reason, what, count, first_us, last_us) VALUES (1, ?, ?, ?, ?, ?)",
            [("too_many", "home_changes", 2, now_us - n * SECOND, now_us - n * SECOND) for n in range(1, 9)]
            + [("queue_full_count", "runs", 5, now_us - MINUTE, now_us - MINUTE)],
        )
    async with DataSyncService(history.path) as data, app_client(data) as client:
        shown = text_of((await client.get("/")).text)
    assert shown.count("Lost records:") == 1
    assert shown.count("Not recorded on purpose: 16 home changes") == 1
    assert "Lost records: 5 runs" in shown


async def test_first_day_of_a_history_is_not_a_list_of_new_handlers(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.run(history.listener("hall", "on_motion", "t"), now_us - MINUTE)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        assert 'id="changed"' not in (await client.get("/")).text


async def test_figures_are_compared_with_the_period_before(new_history: NewHistory, now_us: int) -> None:
    hour_us = now_us // HOUR * HOUR
    with new_history() as history:
        history.session(hour_us - 100 * HOUR)
        handler = history.listener("hall", "on_motion", "t")
        for n in range(100):
            history.run(handler, hour_us - 30 * HOUR + n * SECOND, duration_us=1_000)
        for n in range(150):
            status = "error" if n < 5 else "success"
            history.run(handler, hour_us - 2 * HOUR + n * SECOND, duration_us=50_000, status=status)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        found = differences_of(await data.overview())
        shown = text_of((await client.get("/")).text)
    assert (found["runs"].text, found["runs"].trend) == ("+50 % from 100", "same")
    assert (found["failures"].text, found["failures"].trend) == ("▲ from 0", "worse")
    assert found["p95"].trend == "worse"
    assert "+50 % from 100" in shown


@pytest.mark.parametrize("sessions_hours", [(), (10,), (24,)])
async def test_a_young_history_is_not_compared(
    new_history: NewHistory, now_us: int, sessions_hours: tuple[int, ...]
) -> None:
    with new_history() as history:
        for hours in sessions_hours:
            history.session(now_us - hours * HOUR)
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
    assert overview.before is None
    assert differences_of(overview) == {}


@pytest.mark.parametrize(
    ("configured", "fact", "address"),
    [
        (None, "ws://homeassistant.local:8123/api/websocket", "http://homeassistant.local:8123"),
        (None, "https://home.example", "https://home.example"),
        (None, "http://10.0.0.2:8123/", "http://10.0.0.2:8123"),
        (None, "wss://[fd00::5]:8123/api/websocket", "https://[fd00::5]:8123"),
        (None, "http://proxy.example/ha", "http://proxy.example/ha"),
        ("https://mine.example", "http://10.0.0.2:8123", "https://mine.example"),
        (None, "http://supervisor/core", None),
        (None, "javascript:alert(1)", None),
        (None, "http://[broken", None),
        (None, "http://x:99999", None),
        (None, "", None),
    ],
)
def test_links_lead_only_to_a_web_address_of_the_home(configured: str | None, fact: str, address: str | None) -> None:
    assert home_address(configured, {"home_assistant_url": fact}) == address


def test_line_of_code_opens_in_the_editor() -> None:
    template = "vscode://file/{file}:{line}"
    assert editor_address(template, "/config/my apps/a.py", 7) == "vscode://file//config/my%20apps/a.py:7"
    assert editor_address(template, "/config/{line}.py", 0) == "vscode://file//config/%7Bline%7D.py:1"
    assert editor_address(None, "/config/a.py", 7) is None
    assert editor_address(template, "", 7) is None


@pytest.mark.parametrize(
    "path",
    ["/ask?q=why+not+climate_guard.check_windows", "/why-not?of=climate_guard.check_windows", "/why-not?of=8"],
)
async def test_why_not_lists_each_check(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert "Why did climate_guard.check_windows not run?" in answer.text.replace("<wbr>", "")
    assert len(re.findall(r'<li class="(?:yes|no|unknown)"><span class="mark"', answer.text)) >= 4
    assert "hassette why-not " in answer.text


async def test_unknown_handler_has_suggestions(client: httpx.AsyncClient) -> None:
    answer = await client.get("/why-not", params={"of": "climate_guard.check_window"})
    assert 'href="./why-not?of=climate_guard.check_windows"' in answer.text
    assert "searched" not in text_of(answer.text), "an unknown name has no time to search"
    assert (await client.get("/why-not")).status_code == 200


async def test_overview_names_what_differs_from_before(new_history: NewHistory, now_us: int) -> None:
    hour_us = now_us // HOUR * HOUR
    with new_history() as history:
        history.session(hour_us - 100 * HOUR)
        handler = history.listener("hall", "on_motion", "t")
        for n in range(100):
            history.run(handler, hour_us - 40 * HOUR + n * SECOND, duration_us=1_000)
            history.run(handler, hour_us - 2 * HOUR + n * SECOND, duration_us=80_000)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        text = without_breaks((await client.get("/")).text)
    part = text.partition('id="changed"')[2].partition("</section>")[0]
    assert 'class="badge slower"' in part
    assert "on_motion" in part
