"""The time range that a visitor has chosen is the range of each page that a link or a form leads to."""

import html
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.control import MemoryControl
from hassette_sync.live import MemorySnapshot
from hassette_sync.settings import WebSettings
from support.web_clients import app_client

pytest.importorskip("fastapi")

CHOSEN = "6h"
# Pages about one moment have no range, but their menu keeps it.
NO_PAGES = ("/static", "/api", "/home", "/logout", "/control")
_MAX_OF_A_KIND = 3


def kind_of(path: str) -> str:
    return re.sub(r"/[^/]+$", "/ID", path) if path.count("/") > 1 else path


def links_of(text: str, address: str) -> Iterator[str]:
    """Yield the addresses of the links of a page, and those to which its forms lead."""
    for found in re.findall(r'<a [^>]*?href="([^"]*)"', text):
        if not found.startswith("#"):
            yield urljoin(address, html.unescape(found))
    for action, fields in re.findall(r'<form[^>]*method="get" action="([^"]*)"[^>]*>(.*?)</form>', text, re.DOTALL):
        values = re.findall(r'name="(since|until)" value="([^"]*)"', fields)
        yield urljoin(address, f"{action}?{'&'.join(f'{name}={value}' for name, value in values)}")


def is_about_a_moment(query: dict[str, list[str]]) -> bool:
    """Return whether a link has its own range: that of a column of a chart, or of a session."""
    return query["since"][0].isdigit()


def is_choice(text: str, link: str) -> bool:
    """Return whether a link is an entry of the choice of the time range."""
    choice = text[text.find('class="range-choice"') :].partition("</details>")[0]
    return urlsplit(link).query.replace("&", "&amp;") in choice


async def test_each_link_and_form_of_each_page_keeps_the_chosen_range(plausible: Path) -> None:
    control = MemoryControl({"backup": ["nightly_backup"], "climate_guard": ["check_windows"]})
    feed = MemoryFeed()
    feed.state = MemorySnapshot(ready=True, connection="connected")
    lost: set[str] = set()
    seen: dict[str, set[str]] = {}
    async with (
        DataSyncService(plausible, feed, control) as data,
        app_client(data, WebSettings(control_without_token=True)) as client,
    ):
        starts = (
            *("/?", "/ask?q=what+failed&", "/why?entity=light.hall&", "/runs/7?"),
            *("/compare?against=version&", "/not-run?"),
        )
        waiting = deque([f"{start}since={CHOSEN}" for start in starts])
        while waiting:
            address = waiting.popleft()
            of_kind = seen.setdefault(kind_of(urlsplit(address).path), set())
            if address in of_kind or len(of_kind) == _MAX_OF_A_KIND:
                continue
            of_kind.add(address)
            text = (await client.get(address)).text
            for link in links_of(text, address):
                parts, query = urlsplit(link), parse_qs(urlsplit(link).query)
                if parts.netloc or parts.path.startswith(NO_PAGES) or is_choice(text, link):
                    continue
                if query.get("since") == [CHOSEN]:
                    waiting.append(link)
                elif "since" not in query or not is_about_a_moment(query):
                    lost.add(f"{address} -> {link}")
    assert lost == set()
    assert {"/", "/apps/ID", "/ask", "/errors/ID", "/events", "/not-run", "/registrations/ID"} < set(seen)
    assert {"/runs/ID", "/sessions", "/why", "/why-not"} < set(seen)


@pytest.mark.parametrize("words", ["which handler got slower", "what changed since I edited the app", "logs"])
async def test_link_of_a_question_that_another_page_answers_keeps_the_chosen_range(plausible: Path, words: str) -> None:
    async with DataSyncService(plausible) as data, app_client(data) as client:
        address = f"/ask?{urlencode({'q': words, 'since': CHOSEN})}"
        page = (await client.get(address)).text
        (link,) = re.findall(r'<a href="([^"]*)">Show this page', page)
        address = urljoin(address, html.unescape(link))
        assert parse_qs(urlsplit(address).query)["since"] == [CHOSEN]
        assert (await client.get(address)).status_code == 200


async def test_page_of_the_sessions_shows_everything_of_the_chosen_range(plausible: Path) -> None:
    async with DataSyncService(plausible) as data, app_client(data) as client:
        page = (await client.get("/sessions?since=1h")).text
        assert 'aria-current="true">1 hour</a>' in page
        assert "Uptime <strong>100 %</strong>" in re.sub(r"\s+", " ", page)
        assert "0 crashes" in page
        assert page.count('<tr id="session-') == 1
        month = (await client.get("/sessions")).text
        assert 'aria-current="true">30 days</a>' in month
        assert "1 crash" in month
        assert month.count('<tr id="session-') == 3


async def test_wide_list_is_only_the_default_of_a_link(plausible: Path) -> None:
    async with DataSyncService(plausible) as data, app_client(data) as client:
        for query, since in (("", "7d"), ("?since=1h", "1h")):
            page = (await client.get(f"/registrations/4{query}")).text
            (link,) = re.findall(r'href="([^"]*)">all runs</a>', page)
            assert parse_qs(urlsplit(html.unescape(link)).query)["since"] == [since]


async def test_lists_of_the_menu_begin_at_the_same_time(plausible: Path) -> None:
    starts: dict[str, list[str]] = {}
    async with DataSyncService(plausible) as data, app_client(data) as client:
        for path in ("/apps", "/handlers", "/errors", "/logs", "/events", "/not-run"):
            page = (await client.get(path, params={"since": "7d"})).text
            starts[path] = re.findall(r'<span class="quiet">(since [^·]*) ·', page)
    assert {len(found) for found in starts.values()} == {1}
    assert len({found[0] for found in starts.values()}) == 1, starts
