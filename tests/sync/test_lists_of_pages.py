"""Lists on the pages: filters as chips, order, bursts of equal runs, and links that keep the time range."""

import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from hassette_sync import DataSyncService, RunFilter
from hassette_sync.errors import BadQuestionError
from support.history import BOOM, HOUR, MINUTE, SECOND, NewHistory
from support.web_clients import app_client, without_breaks

pytest.importorskip("fastapi")
from hassette_sync.web.bursts import folded
from hassette_sync.web.links import Links
from hassette_sync.web.lists import ListColumn, sorted_list


@pytest.fixture
async def client(data: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(data) as client:
        yield client


CHIP = re.compile(r'<a class="chip" href="([^"]*)"[^>]*><span class="quiet">([^<]+)</span> ([^<]+?) <')


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        ({"app": "climate_guard"}, "app", "climate_guard"),
        ({"status": "timed_out"}, "result", "timed out"),
        ({"kind": "job"}, "kind", "job"),
        ({"min_duration_us": "10000"}, "at least", "10 ms"),
        ({"max_duration_us": "1000000"}, "at most", "1.0 s"),
        ({"text": "<b>"}, "text", "<b>"),
        ({"entity": "light.kitchen"}, "entity", "light.kitchen"),
        ({"session": "2"}, "session", "2"),
        ({"error_group": "1"}, "error", "1"),
        ({"registration": "4"}, "handler or job", "climate_guard.on_temperature"),
    ],
)
async def test_each_active_filter_is_a_chip_that_can_be_removed(
    client: httpx.AsyncClient, asked: dict[str, str], name: str, value: str
) -> None:
    text = without_breaks((await client.get("/runs", params={**asked, "since": "7d", "cursor": str(2**62)})).text)
    ((removed, shown_name, shown_value),) = CHIP.findall(text)
    assert (shown_name, html.unescape(shown_value)) == (name, value)
    assert html.unescape(removed) == "?since=7d", "the chip removes its filter and the cursor, and keeps the time"


async def test_removing_one_chip_keeps_the_others(client: httpx.AsyncClient) -> None:
    text = (await client.get("/runs", params={"app": "presence", "status": "failed", "text": ""})).text
    assert {name: html.unescape(removed) for removed, name, _ in CHIP.findall(text)} == {
        "app": "?status=failed",
        "result": "?app=presence",
    }
    assert "Remove all" in text


@pytest.mark.parametrize(
    "path", ["/", "/apps", "/apps/climate_guard", "/handlers", "/runs", "/errors", "/registrations/4"]
)
async def test_the_chosen_time_survives_each_click(client: httpx.AsyncClient, path: str) -> None:
    text = (await client.get(path, params={"since": "7d"})).text
    links = [html.unescape(one) for one in re.findall(r'href="(\.[^"]*)"', text)]
    others = [one for one in links if "/static/" not in one and "/api/" not in one]
    assert len(others) > 8
    assert [one for one in others if "since=" not in one] == []


def test_links_take_only_the_time_range_to_other_pages() -> None:
    links = Links("/runs/7", "../", {"since": "7d", "until": "1d", "app": "hall", "cursor": "3"})
    assert links.to("errors") == "../errors?since=7d&until=1d"
    assert links.to("runs", app="x y", text=None, status="") == "../runs?since=7d&until=1d&app=x+y"
    assert links.to("runs", since=5) == "../runs?since=5", "another start does not keep the old end"
    assert links.to("runs", since=None, until=None, app="x") == "../runs?since=7d&until=1d&app=x"
    assert links.to("runs", default_since="30d") == "../runs?since=7d&until=1d"
    assert Links("/", "./", {}).to("runs", app="x", default_since="30d") == "./runs?since=30d&app=x"
    assert links.here(app=None) == "?since=7d&until=1d"
    assert links.here(cursor=9) == "?since=7d&until=1d&app=hall&cursor=9"
    assert Links("/runs", "./", {}).here() == "./runs"
    assert Links("/", "./", {}).here(since=None) == "./"


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/handlers?sort=-runs", None),
        ("/handlers?sort=name", "climate_guard.default.on_temperature"),
        ("/handlers?sort=-name", "presence.default.on_light"),
        ("/jobs?sort=-p95", "energy.default.hourly_report"),
        ("/apps?sort=-failures", "climate_guard"),
    ],
)
async def test_lists_can_be_sorted_without_a_script(client: httpx.AsyncClient, path: str, first: str | None) -> None:
    text = (await client.get(path)).text
    rows = re.findall(r'<th scope="row" class="name" data-value="([^"]+)"', text)
    assert len(rows) > 2
    assert first is None or rows[0] == first
    assert text.count('aria-sort="ascending"') + text.count('aria-sort="descending"') == 1
    if path.endswith("-runs"):
        counts = [int(one) for one in re.findall(r'data-label="runs" data-value="(\d+)"', text)]
        assert counts == sorted(counts, reverse=True)


async def test_the_noisiest_app_is_the_first(client: httpx.AsyncClient) -> None:
    text = (await client.get("/apps", params={"since": "7d"})).text
    sizes = [int(one) for one in re.findall(r'data-label="database" data-value="(\d+)"', text)]
    assert len(sizes) > 2
    assert sizes == sorted(sizes, reverse=True)


async def test_unknown_column_is_a_clear_error(client: httpx.AsyncClient) -> None:
    answer = await client.get("/handlers?sort=colour")
    assert answer.status_code == 400
    assert "sort must be one of name, source, runs" in answer.text


def test_rows_without_a_value_come_last_in_both_orders() -> None:
    columns: list[ListColumn[int | None]] = [ListColumn(key="n", title="N", value=lambda one: one)]
    rows = [None, 2, None, 1, 3]
    assert sorted_list(columns, rows, "n").rows == [1, 2, 3, None, None]
    assert sorted_list(columns, rows, "-n").rows == [3, 2, 1, None, None]
    assert sorted_list(columns, rows, None).rows == rows
    with pytest.raises(BadQuestionError, match=r"sort must be one of n, .*, got 'm'"):
        sorted_list(columns, rows, "m")


async def test_equal_runs_within_a_minute_are_folded(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        hall, door = history.listener("hall", "on_motion", "t"), history.listener("door", "on_door", "t")
        for n in range(20):
            history.run(hall, now_us - 30 * SECOND + n * SECOND, duration_us=n + 1)
        history.run(hall, now_us - 5 * SECOND, status="error")
        history.run(door, now_us - 4 * SECOND)
        history.run(hall, now_us - 3 * SECOND)
        history.run(hall, now_us - 2 * SECOND)
    async with DataSyncService(history.path) as data:
        runs = (await data.runs(RunFilter())).runs
    bursts = folded(runs)
    assert [burst.count for burst in bursts] == [22, 1, 1], "other runs may lie between them"
    assert (bursts[0].longest_us, bursts[0].span_us) == (900, 28 * SECOND)
    assert [burst.run.registration.name for burst in bursts] == ["on_motion", "on_door", "on_motion"]


async def test_two_equal_runs_stay_two_rows_in_their_places(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        hall, door = history.listener("hall", "on_motion", "t"), history.listener("door", "on_door", "t")
        for n in range(4):
            history.run(hall if n % 2 else door, now_us - 30 * SECOND + n * SECOND)
    async with DataSyncService(history.path) as data:
        runs = (await data.runs(RunFilter())).runs
    assert [burst.run.id for burst in folded(runs)] == [run.id for run in runs]
    assert [burst.count for burst in folded(runs, at_least=2)] == [2, 2]


async def test_runs_of_two_handlers_in_turn_are_folded_on_each_page(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        for n in range(10):
            if n < 2:
                history.listener(("hall", "door")[n], "on_motion", "t")
            at_us = now_us - 30 * SECOND + n * SECOND
            error = BOOM if n % 2 == 0 else None
            history.run(n % 2 + 1, at_us, status="error" if error else "success", error=error)
    more = re.compile(r'data-unfold="\d+"[^>]*>and (\d+) equal')
    async with DataSyncService(history.path) as data, app_client(data) as client:
        found = {
            path: more.findall((await client.get(path)).text) for path in ("/runs", "/registrations/2", "/errors/1")
        }
    assert found == {"/runs": ["4", "4"], "/registrations/2": ["4"], "/errors/1": ["4"]}


async def test_filter_on_the_kind_shows_the_numbers_of_runs(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler, job = history.listener("hall", "on_motion", "t"), history.job("hall", "tidy", "every 5 min")
        for n in range(3):
            history.run(handler, now_us - MINUTE + n)
        history.run(job, now_us - MINUTE, job=True)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        text = (await client.get("/runs")).text
    assert ">handlers (3)</option>" in text
    assert ">jobs (1)</option>" in text


async def test_a_burst_ends_after_a_minute(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        hall = history.listener("hall", "on_motion", "t")
        for n in range(10):
            history.run(hall, now_us - 10 * MINUTE + n * 20 * SECOND)
    async with DataSyncService(history.path) as data:
        runs = (await data.runs(RunFilter())).runs
    assert [burst.count for burst in folded(runs)] == [4, 4, 1, 1]


async def test_filter_on_ordinary_events_has_the_words_of_its_form(client: httpx.AsyncClient) -> None:
    text = (await client.get("/events", params={"routine": "yes"})).text
    ((removed, name, value),) = CHIP.findall(text)
    assert (html.unescape(removed), name, value) == ("./events", "ordinary starts and stops", "shown")


async def test_page_of_an_app_lists_its_handlers_and_jobs(client: httpx.AsyncClient) -> None:
    text = without_breaks((await client.get("/apps/motion_light")).text)
    assert re.findall(r'<span class="name">([a-z_]+)</span></a></th>', text) == ["on_motion", "turn_off", "on_motion"]
    assert "climate_guard" not in text.partition("<main")[2]
    missing = await client.get("/apps/no_such_app")
    assert missing.status_code == 404
    assert "There is no app called no_such_app." in without_breaks(missing.text)
