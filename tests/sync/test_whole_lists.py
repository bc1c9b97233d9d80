"""Long lists on the pages are sorted and filtered before they are cut to one page."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.answers.errors import ErrorGroupsPage
from hassette_sync.answers.kinds import LABELS
from hassette_sync.web.whole_lists import MOST_ERRORS, ListRequest, listed_errors, listed_registrations
from support.history import HOUR, MINUTE, SECOND, NewHistory
from support.web_clients import app_client

pytest.importorskip("fastapi")

ERRORS = 60
HANDLERS = 1_010


@pytest.fixture
def errors_path(new_history: NewHistory, now_us: int) -> Path:
    """A history with 60 errors. The oldest one has four failures, and is the only one of the app *attic*."""
    with new_history() as history:
        history.begin()
        history.session(now_us - 2 * HOUR)
        hall, attic = history.listener("hall", "on_motion", "t"), history.listener("attic", "on_rain", "t")
        for number in range(ERRORS):
            for failure in range(4 if number == 0 else 1):
                handler = hall if number else attic
                error = ("exception", f"Error{number:02}", "boom")
                history.run(handler, now_us - HOUR + number * MINUTE // 2 + failure, status="error", error=error)
        history.commit()
    return history.path


@pytest.fixture
async def errors(errors_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with DataSyncService(errors_path) as data, app_client(data) as client:
        yield client


def types(text: str) -> list[str]:
    return re.findall(r'class="type">(?:<span[^>]*>[a-z]+</span> )?(\w+)</span>', text)


def notes(text: str) -> list[str]:
    found = re.findall(r'<p class="quiet">((?:Only the first )?[0-9].*?)</p>', text)
    return [html.unescape(re.sub("<[^>]*>", "", one)) for one in found]


@pytest.mark.parametrize("sort", ["-failures", "-total", "first", "type", "last", "-trend", "apps"])
async def test_errors_are_sorted_before_the_page_is_cut(errors: httpx.AsyncClient, sort: str) -> None:
    first = types((await errors.get("/errors")).text)
    text = (await errors.get("/errors", params={"sort": sort})).text
    found = types(text)
    assert "Error00" not in first
    assert found[0] == "Error00"
    assert len(found) == 50
    (note,) = notes(text)
    assert note.startswith("Only the first 50 of 60 errors in this order are shown.")
    assert 'rel="next"' not in text


async def test_errors_are_filtered_before_the_page_is_cut(errors: httpx.AsyncClient) -> None:
    found: list[list[str]] = []
    for words in ("ATTIC boom", "error0 boom"):
        text = (await errors.get("/errors", params={"find": words})).text
        found.append(types(text))
        assert 'data-part="yes"' in text, "the browser asks the server for other words"
        assert notes(text) == [f"{len(found[-1])} found."]
    assert found == [["Error00"], [f"Error{number:02}" for number in range(9, -1, -1)]]


async def test_words_that_no_error_contains_can_be_changed(errors: httpx.AsyncClient) -> None:
    text = (await errors.get("/errors", params={"find": "attic hall"})).text
    assert types(text) == []
    assert "No error matches" in text
    assert 'data-filter="errors"' in text


async def test_sorted_list_ignores_the_place_in_another_order(errors: httpx.AsyncClient) -> None:
    page = (await errors.get("/api/v1/errors", params={"limit": "50"})).json()
    text = (await errors.get("/errors", params={"cursor": page["next_cursor"]})).text
    assert len(types(text)) == 10
    links = [html.unescape(one) for one in re.findall(r'<a href="([^"]*)" data-sort', text)]
    assert links
    assert not any("cursor" in link for link in links)
    asked = {"cursor": page["next_cursor"], "sort": "-failures"}
    assert types((await errors.get("/errors", params=asked)).text)[0] == "Error00"


async def test_list_that_fits_on_one_page_is_filtered_by_the_browser(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("hall", "on_motion", "t")
        for number in range(3):
            error = ("exception", f"Error{number}", "boom")
            history.run(handler, now_us - MINUTE + number * SECOND, status="error", error=error)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        text = (await client.get("/errors", params={"find": "Error1", "sort": "type"})).text
    assert types(text) == ["Error0", "Error1", "Error2"]
    assert "data-part" not in text


async def test_handlers_are_sorted_and_filtered_before_the_page_is_cut(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.begin()
        history.session(now_us - HOUR)
        for number in range(HANDLERS):
            handler = history.listener(f"app{number:04}", "on_motion", f"state_changed.light.n{number:04}")
        history.run(handler, now_us - MINUTE)
        history.commit()
    last = f"app{HANDLERS - 1:04}"
    names = re.compile(r'data-value="(app\d+)\.default\.on_motion"')
    async with DataSyncService(history.path) as data, app_client(data) as client:
        plain = (await client.get("/handlers")).text
        by_runs = (await client.get("/handlers", params={"sort": "-runs"})).text
        found = (await client.get("/handlers", params={"find": f"light.n{HANDLERS - 1:04}"})).text
        nothing = (await client.get("/handlers", params={"find": "cellar"})).text
    assert last not in names.findall(plain)
    assert names.findall(by_runs)[0] == last
    assert [len(names.findall(text)) for text in (plain, by_runs, found)] == [1_000, 1_000, 1]
    assert notes(by_runs)[0].startswith("Only the first 1,000 of 1,010 handlers in this order are shown.")
    assert notes(found) == ["1 found."]
    assert "None of the handlers matches" in nothing


async def test_note_of_a_very_long_list_names_the_errors_that_were_sorted(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.begin()
        history.session(now_us - HOUR)
        handler = history.listener("hall", "on_motion", "t")
        for number in range(MOST_ERRORS + 10):
            error = ("exception", f"Error{number:04}", "boom")
            history.run(handler, now_us - HOUR + number * SECOND, status="error", error=error)
        history.commit()
    shown: list[tuple[str, str]] = []
    async with DataSyncService(history.path) as data, app_client(data) as client:
        for asked in ({"sort": "first"}, {"find": "error00 boom"}, {"find": "error0"}, {"find": "error0000"}):
            text = (await client.get("/errors", params=asked)).text
            shown.append((next(iter(types(text)), ""), notes(text)[0].partition(".")[0]))
    assert shown == [
        ("Error0010", "Only the first 50 of the 2,000 newest errors in this order are shown"),
        ("Error0099", "Only the first 50 of 90 errors found among the 2,000 newest errors in this order are shown"),
        ("Error0999", "Only the first 50 of 990 errors found among the 2,000 newest errors in this order are shown"),
        ("", "0 found among the 2,000 newest errors"),
    ]


@pytest.mark.parametrize(("most", "examined"), [(1_005, 1_005), (1_010, None)])
async def test_very_long_list_of_handlers_states_how_many_were_sorted(
    new_history: NewHistory, now_us: int, most: int, examined: int | None
) -> None:
    with new_history() as history:
        history.begin()
        history.session(now_us - HOUR)
        for number in range(HANDLERS):
            history.listener(f"app{number:04}", "on_motion", "t")
        history.commit()
    async with DataSyncService(history.path) as data:
        asked, time_range = ListRequest(sort="-name"), TimeRange(now_us - HOUR, now_us)
        shown, _, _ = await listed_registrations(data, time_range, LABELS["handler"], None, asked, most=most)
    assert (shown.total, shown.examined) == (most, examined)
    assert shown.list.rows[0].app == f"app{most - 1:04}"


@pytest.mark.parametrize(("sort", "first"), [("-total", "Error00"), ("-apps", "Error59")])
async def test_sorted_list_of_errors_reads_each_page_once(errors_path: Path, sort: str, first: str) -> None:
    class Recorded(DataSyncService):
        cursors: list[object]

        async def error_groups(self, *args: Any, **kwargs: Any) -> ErrorGroupsPage:  # pyright: ignore[reportIncompatibleMethodOverride]
            self.cursors.append(kwargs["cursor"])
            return await super().error_groups(*args, **kwargs)

    async with Recorded(errors_path) as data:
        data.cursors = []
        shown = await listed_errors(data, TimeRange.last("24h"), ListRequest(sort=sort))
        whole = (await DataSyncService.error_groups(data, TimeRange.last("24h"), limit=ERRORS)).trends
    assert len(data.cursors) == 2
    assert len(set(data.cursors)) == 2
    assert shown.total == ERRORS
    group, _ = shown.list.rows[0]
    assert group.type == first
    assert all(trend in whole for _, trend in shown.list.rows)
