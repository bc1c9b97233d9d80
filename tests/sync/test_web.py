"""The pages and the API: answers, errors, access control, and texts that must never become markup."""

import asyncio
import html
import html.parser
import re
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from hassette_sync import DataSyncService, MemoryFeed, RunFilter, TimeRange
from hassette_sync.answers.comparison import Comparison
from hassette_sync.answers.overview import Overview
from hassette_sync.answers.registrations import AppSummary
from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.live import MemorySnapshot
from hassette_sync.settings import WebSettings
from hassette_sync.terminal.render import run_detail
from support.history import HOUR, NewHistory
from support.live_runs import TriggerState
from support.patient_data import patient_data
from support.waiting import patience
from support.web_clients import app_client, without_breaks

pytest.importorskip("fastapi")
from hassette_sync.web.menu import MENU, MenuEntry

TOKEN = "a-secret-of-many-letters"
NEEDED = {
    "/api/v1/why": {"entity": "light.kitchen"},
    "/api/v1/why-not": {"of": "motion_light"},
    "/api/v1/ask": {"q": "why did the kitchen light turn on?"},
}
"""Parameters of questions that need some."""
# The page for the people of the home has no navigation.
MENU_PAGES = tuple(entry.path for entry in MENU if entry.path != "/home")
PAGES = (*MENU_PAGES, "/registrations/4", "/registrations/6", "/errors/1")


@pytest.fixture
async def client(data: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(data) as client:
        yield client


class Elements(html.parser.HTMLParser):
    """Collects tags with their attributes and checks that each one is closed."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("path", "current"),
    [
        *((entry.path, entry.title) for entry in MENU if entry.path in MENU_PAGES),
        ("/errors/1", "Errors"),
        ("/registrations/4", None),
    ],
)
async def test_navigation_marks_the_current_page(client: httpx.AsyncClient, path: str, current: str | None) -> None:
    text = (await client.get(path)).text
    assert re.findall(r'aria-current="page">([^<]+)</a>', text) == ([current] if current else [])


@pytest.mark.parametrize("entry", MENU, ids=lambda entry: entry.path)
def test_pages_in_the_menu_are_documented(entry: MenuEntry) -> None:
    documentation = Path(__file__).parents[2] / "docs" / "telemetry.md"
    assert f"{entry.title.lower()} `{entry.path}`" in documentation.read_text()


@pytest.mark.parametrize("path", PAGES)
async def test_page_is_well_formed_and_loads_nothing_from_other_hosts(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    elements = Elements(answer.text)
    for tag, attributes in elements.tags:
        for name in ("src", "href", "action"):
            value = attributes.get(name)
            # A relative address works under any prefix that a proxy adds.
            assert value is None or value.startswith(("./", "../", "#", "?")), (tag, attributes)
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    # Each script is a file of this server.
    assert all("/static/" in str(attributes["src"]) for tag, attributes in elements.tags if tag == "script")
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "with a repeated id, a live update replaces the wrong part"
    assert sum(tag == "h1" for tag, _ in elements.tags) == 1


async def test_live_updates_start_at_the_newest_run_of_all_apps(
    client: httpx.AsyncClient, data: DataSyncService
) -> None:
    newest = (await data.runs()).runs[0].id
    for path in ("/", "/handlers", "/registrations/6", "/runs?app=odd", "/runs?text=nothing+has+this", "/errors"):
        body = next(attributes for tag, attributes in Elements((await client.get(path)).text).tags if tag == "body")
        assert (body["data-newest"], "data-follow" in body) == (str(newest), True), path
    for path in ("/runs?until=1h", "/runs?cursor=1", "/errors/1", f"/runs/{newest}"):
        body = next(attributes for tag, attributes in Elements((await client.get(path)).text).tags if tag == "body")
        assert body == {}, path


class BlockingApps(tuple[AppSummary, ...]):
    """The apps of an overview. Counting them, as the template does, blocks until ``released`` is set."""

    rendering = threading.Event()
    released = threading.Event()

    def __len__(self) -> int:
        self.rendering.set()
        assert self.released.wait(patience(5)), "the event loop was blocked while a page was rendered"
        return super().__len__()


class BlockingService(DataSyncService):
    """Answers an overview that takes long to render."""

    async def compared_overview(
        self, time_range: TimeRange | None = None, *, limit: int
    ) -> tuple[Overview, tuple[ErrorTrend, ...], Comparison]:
        shown, trends, compared = await super().compared_overview(time_range, limit=limit)
        return shown.model_copy(update={"apps": BlockingApps(shown.apps)}), trends, compared


async def test_event_loop_is_free_while_a_page_is_rendered(plausible: Path) -> None:
    async with BlockingService(plausible) as data, app_client(data) as client:
        page = asyncio.ensure_future(client.get("/"))
        assert await asyncio.to_thread(BlockingApps.rendering.wait, patience(5))
        assert (await client.get("/health/live")).status_code == 200
        BlockingApps.released.set()
        assert (await page).status_code == 200


async def test_run_shows_attempts_confirmations_and_calls_that_were_not_sent(
    new_history: NewHistory, now_us: int
) -> None:
    expected = "light.hall must be 'on', got 'off'"
    calls = [
        {"service": "light.turn_on", "error": f"not confirmed within 5 s: {expected}"},
        {"service": "light.turn_on", "attempt": 2, "confirmed_us": 800_000},
        {"service": "cover.open_cover", "rehearsed": 1},
    ]
    with new_history() as history:
        history.session(now_us - HOUR)
        run_id = history.run(
            history.listener("hall", "on_motion", "state_changed.binary_sensor.hall"), now_us, calls=calls
        )
    async with patient_data(history.path) as data, app_client(data) as client:
        page = html.unescape(without_breaks((await client.get(f"/runs/{run_id}")).text))
        text = run_detail(await data.run(run_id), ShownTimes(HomeTime(), now_us))

    assert expected in page
    assert ", attempt 2, confirmed after 800 ms<" in page
    assert ", not sent: the app rehearses<" in page
    assert f"Called light.turn_on, failed: not confirmed within 5 s: {expected}" in text
    assert "Called light.turn_on (attempt 2), confirmed after 800 ms" in text
    assert "Not sent, because the app rehearses: cover.open_cover" in text


@pytest.mark.parametrize("path", [*PAGES, "run"])
async def test_text_from_apps_is_never_markup(client: httpx.AsyncClient, data: DataSyncService, path: str) -> None:
    if path == "run":
        page = await data.runs(RunFilter(app="odd"))
        path = f"/runs/{page.runs[0].id}"
    answer = await client.get(path)
    assert not re.search(r"<script>alert|<img src=x|<b>1</b>", answer.text)
    assert "alert(" not in answer.text or "&lt;script&gt;" in answer.text or "&lt;img" in answer.text


async def test_text_in_the_address_is_never_markup(client: httpx.AsyncClient) -> None:
    for path in ("/runs", "/handlers", "/errors", "/nowhere<script>alert(1)</script>"):
        answer = await client.get(
            path, params={"text": '"><script>alert(9)</script>', "app": "<b>x</b>", "since": "24h"}
        )
        assert "<script>alert" not in answer.text
        assert "<b>x</b>" not in answer.text


@pytest.mark.parametrize("path", ["/runs", "/why", "/runs%1b%9b"])
async def test_page_has_no_control_characters(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, params={"text": "\x00a\x1b[31m\x9b\x7f"})
    assert "&#27;" in answer.text
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", answer.text)


async def test_field_of_a_page_keeps_control_characters_as_references(client: httpx.AsyncClient) -> None:
    page = await client.get("/runs", params={"text": "a\x1b[31m\x00\x9b"})
    assert 'value="a&#27;[31m\ufffd\ufffd"' in page.text


async def test_every_json_route_answers_and_is_described(client: httpx.AsyncClient, data: DataSyncService) -> None:
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    described = {path: one for path, one in paths.items() if "get" in one}
    assert all(set(one["get"]["responses"]) == {"200", "4XX", "5XX"} for one in described.values())
    ids = {"runs": (await data.runs()).runs[0].id, "registrations": 4, "errors": 1, "sessions": 1}
    assert len(described) >= 19
    for path in described:
        kind = path.split("/")[3]
        address = path.replace("{id}", str(ids.get(kind))).replace("{app}", "climate_guard")
        answer = await client.get(address, params=NEEDED.get(path))
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["cache-control"] == "no-store"


async def test_links_keep_the_time_range_of_the_page(client: httpx.AsyncClient) -> None:
    asked = {"since": "2026-01-31T18:00+02:00", "until": "2026-02-01T18:00+02:00"}
    page = await client.get("/", params=asked)
    assert page.status_code == 200
    links = re.findall(r'href="\./([a-z]+\?[^"]*)"', page.text)
    assert len(links) >= 3
    for found in links:
        query = parse_qs(urlsplit(html.unescape(found)).query)
        assert {key: query[key] for key in asked} == {key: [value] for key, value in asked.items()}, found


async def test_ids_in_json_are_strings_and_pages_do_not_overlap(client: httpx.AsyncClient) -> None:
    first = (await client.get("/api/v1/runs", params={"limit": 2})).json()
    second = (await client.get("/api/v1/runs", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    ids = [run["id"] for run in first["runs"] + second["runs"]]
    assert all(isinstance(id_, str) and int(id_) > 2**53 for id_ in ids)
    assert ids == sorted(ids, key=int, reverse=True)
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("path", "code", "error"),
    [
        ("/api/v1/runs/1", 404, "not_found"),
        ("/api/v1/runs/one", 400, "bad_question"),
        ("/api/v1/runs?status=fine", 400, "bad_question"),
        ("/api/v1/runs?since=whenever", 400, "bad_question"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/api/v1/runs?limit=0", 400, "bad_question"),
        ("/api/v1/registrations?retired=perhaps", 400, "bad_question"),
    ],
)
async def test_bad_request_is_a_clear_json_error(client: httpx.AsyncClient, path: str, code: int, error: str) -> None:
    answer = await client.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"]) == (code, code, f"urn:hassette:problem:{error}")
    assert problem["detail"].endswith(".")


@pytest.mark.parametrize(
    ("path", "code"),
    [("/runs/1", 404), ("/nowhere", 404), ("/runs?status=fine", 400), ("/sessions?routine=perhaps", 400)],
)
async def test_bad_request_is_a_clear_page(client: httpx.AsyncClient, path: str, code: int) -> None:
    answer = await client.get(path)
    assert answer.status_code == code
    assert "Back to the overview" in answer.text


@pytest.mark.parametrize("path", ["/", "/runs", "/api/v1/overview", "/health/ready"])
async def test_missing_history_is_a_503_with_the_reason(tmp_path: Path, path: str) -> None:
    async with patient_data(tmp_path / "hassette.db") as data, app_client(data) as client:
        answer = await client.get(path)
    assert answer.status_code == 503
    assert "There is no history at" in answer.text


@pytest.mark.parametrize("kind", ["handlers", "jobs"])
async def test_unknown_app_is_not_an_empty_history(client: httpx.AsyncClient, kind: str) -> None:
    text = (await client.get(f"/{kind}?app=nope")).text
    assert f"There are no {kind} of an app called nope" in text
    assert "appears when an app" not in text


async def test_pages_of_an_empty_history_explain_what_to_do(new_history: Callable[..., Any]) -> None:
    history = new_history()
    history.close()
    async with patient_data(history.path) as data, app_client(data) as client:
        for path in MENU_PAGES:
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "empty-title" in answer.text
            Elements(answer.text)


async def test_slow_query_is_a_503_with_advice(plausible: Path) -> None:
    async with DataSyncService(plausible, deadline_s=1e-9) as data, app_client(data) as client:
        page, api = await client.get("/"), await client.get("/api/v1/overview")
    assert page.status_code == api.status_code == 503
    assert api.json()["type"] == "urn:hassette:problem:query_timeout"
    assert "Ask for a shorter time range" in page.text
    assert api.headers["retry-after"] == "5"


async def test_health_check_succeeds_before_the_framework_is_ready(plausible: Path) -> None:
    feed = MemoryFeed()
    async with patient_data(plausible, feed) as data, app_client(data) as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        feed.state = MemorySnapshot(ready=True, connection="connected")
        assert (await client.get("/health/ready")).json() == {"ready": True, "connection": "connected"}


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "192.168.1.5", "localhost.evil.example", "", "[", "hassette.local"),
        *("evil.example@localhost", "localhost/evil.example", "localhost#x", "localhost?x"),
    ],
)
async def test_foreign_host_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "on_motion" not in without_breaks(answer.text)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST"])
async def test_loopback_names_are_accepted(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/health/live", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("hassette.home.arpa", "hassette.home.arpa"),
        ("Hassette.Home.Arpa.", "hassette.home.arpa:8765"),
        ("küche.example", "xn--kche-0ra.example"),
        ("fd00::5", "[fd00::5]:8765"),
        ("[fd00::5]", "[fd00::5]"),
    ],
)
async def test_allowed_host_name_is_accepted(data: DataSyncService, allowed: str, host: str) -> None:
    async with app_client(data, WebSettings(allowed_hosts=(allowed,))) as client:
        assert (await client.get("/", headers={"host": host})).status_code == 200


@pytest.fixture
async def guarded(data: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(data, WebSettings(host="0.0.0.0", token=TOKEN), base_url="http://192.168.1.5:8765") as client:
        yield client


async def test_nothing_is_revealed_without_the_token(guarded: httpx.AsyncClient) -> None:
    for path in (*PAGES, "/api/v1/overview", "/api/v1/openapi.json"):
        answer = await guarded.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "motion" not in answer.text
    for path in ("/health/live", "/login", "/static/hassette.css"):
        assert (await guarded.get(path)).status_code == 200


async def test_only_the_right_token_in_the_header_is_accepted(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/api/v1/status", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "Bearer é".encode()):
        assert (await guarded.get("/api/v1/status", headers={"authorization": wrong})).status_code == 401


async def test_browser_returns_to_its_page_after_signing_in(guarded: httpx.AsyncClient) -> None:
    asked = await guarded.get("/runs?status=failed", headers={"accept": "text/html"})
    assert asked.status_code == 303
    form = await guarded.get(urljoin("/runs", asked.headers["location"]))
    assert 'value="/runs?status=failed"' in form.text
    wrong = await guarded.post("/login", data={"token": "no", "next": "/runs"})
    assert wrong.status_code == 401
    assert "Wrong token" in wrong.text
    right = await guarded.post("/login", data={"token": TOKEN, "next": "/runs?status=failed"})
    assert (right.status_code, right.headers["location"]) == (303, "./runs?status=failed")
    cookie = right.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert (await guarded.get("/runs?status=failed")).status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example", ""])
async def test_signing_in_never_redirects_to_another_site(guarded: httpx.AsyncClient, target: str) -> None:
    answer = await guarded.post("/login", data={"token": TOKEN, "next": target})
    assert answer.headers["location"] == "./"


async def test_oversized_form_is_not_read(guarded: httpx.AsyncClient) -> None:
    answer = await guarded.post("/login", content=b"token=" + b"x" * 100_000)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:hassette:problem:content_too_large")


async def test_events_have_pages_and_ordinary_starts_are_optional(new_history: Callable[..., Any], now_us: int) -> None:
    with new_history() as history:
        session = history.session(now_us - 3_600_000_000)
        for n in range(70):
            history.lifecycle(session, now_us - (70 - n) * 1_000_000, "connection_lost", f"link-{n}-", "gone")
        for n in range(40):
            history.lifecycle(session, now_us - 40_000 + n * 1_000, "service_started", f"part-{n}-")
    async with patient_data(history.path) as data, app_client(data) as client:
        path: str | None = "/sessions"
        seen: list[str] = []
        while path is not None:
            text = (await client.get(path)).text
            Elements(text)
            assert "part-" not in text
            seen += re.findall(r"link-\d+-", text)
            older = re.search(r'<a rel="next" href="([^"#]+)#lifecycle">older events</a>', text)
            path = urljoin("/sessions", html.unescape(older[1])) if older else None
        assert seen == [f"link-{n}-" for n in reversed(range(70))]
        assert "part-39-" in (await client.get("/sessions?routine=yes")).text
        all_ = (await client.get("/api/v1/lifecycle?limit=500")).json()["events"]
        notable = (await client.get("/api/v1/lifecycle?limit=500&routine=false")).json()["events"]
        assert (len(all_), len(notable)) == (110, 70)


async def test_filter_form_keeps_its_values(client: httpx.AsyncClient) -> None:
    answer = await client.get("/runs", params={"status": "failed", "app": "climate_guard", "text": "float", "kind": ""})
    assert re.search(r'<option value="failed" selected>', answer.text)
    assert re.search(r'<option value="climate_guard" selected>', answer.text)
    assert 'value="float"' in answer.text
    assert "on_temperature" in without_breaks(answer.text)


async def test_runs_page_shows_its_time_range(client: httpx.AsyncClient, now_us: int) -> None:
    hour_us = 3_600_000_000
    since_us = (now_us // hour_us - 2) * hour_us
    shown = ShownTimes(HomeTime(), now_us)
    text = (await client.get("/runs", params={"since": since_us, "until": since_us + hour_us})).text
    assert shown.span(since_us, since_us + hour_us) in text
    assert re.search(r'/runs\?since=\d+&amp;error_group=1"', (await client.get("/errors/1")).text)


@pytest.mark.parametrize(
    ("path", "part"), [("/runs", "recent"), ("/errors", "errors"), ("/sessions", "sessions"), ("/sessions", "events")]
)
async def test_link_to_the_next_page_is_in_the_live_part_of_its_list(
    new_history: NewHistory, now_us: int, path: str, part: str
) -> None:
    with new_history() as history:
        for n in range(31):
            session = history.session(now_us - HOUR + n, now_us - HOUR + n, "clean")
            history.lifecycle(session, now_us - HOUR + n, "app_failed", "garden", "")
        handler = history.listener("app", "on_it", "t")
        for n in range(101):
            error = ("exception", "".join(f"E{digit}" for digit in str(n)), "")
            history.run(handler, now_us - HOUR + n, session_id=session, status="error", error=error)
    async with patient_data(history.path) as data, app_client(data) as client:
        page = (await client.get(path)).text
    live = page.partition(f'id="{part}" data-live')[2].partition("data-live")[0]
    assert 'rel="next"' in live.partition("</section>")[0]


async def test_all_lost_records_can_be_reached(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        session = history.session(now_us - HOUR)
        for n in range(70):
            history.loss(session, "queue_full_count", "runs", 1_000 + n, now_us - n, now_us - n)
    address, seen = "/sessions", []
    async with patient_data(history.path) as data, app_client(data) as client:
        while address:
            page = (await client.get(address)).text
            assert ("data-follow" in page) == (address == "/sessions"), "only the first page is live"
            seen += [int(count) for count in re.findall(r"<td class=\"number\">1,(\d+)</td>", page)]
            following = re.search(r'href="([^"]+)">older lost records', page)
            address = urljoin("/sessions", html.unescape(following[1])) if following else ""
    assert sorted(seen) == list(range(70))


@pytest.mark.parametrize(
    ("run_before", "not_run_before", "last_before"),
    [(9, 5, 5), (5, 9, 5), (None, 7, 7), (7, None, 7), (None, None, None)],
)
async def test_last_firing_of_a_trigger_may_have_led_to_no_run(
    new_history: NewHistory, now_us: int, run_before: int | None, not_run_before: int | None, last_before: int | None
) -> None:
    minute = HOUR // 60
    now_us -= now_us % 1000  # runs are kept to the millisecond
    with new_history() as history:
        history.session(now_us - HOUR)
        id_ = history.listener("door", "rang", "trigger.webhook")
        if run_before is not None:
            history.run(id_, now_us - run_before * minute + 1000)
        if not_run_before is not None:
            history.not_run(id_, now_us - not_run_before * minute - minute, "condition")
            history.not_run(id_, now_us - not_run_before * minute, "condition")
    feed = MemoryFeed()
    feed.state = MemorySnapshot(triggers=[TriggerState("door", "default", "rang", "trigger.webhook", "accepted", "")])
    async with DataSyncService(history.path, feed) as data, app_client(data) as client:
        page = (await client.get(f"/registrations/{id_}")).text
        shown = ShownTimes(HomeTime(), now_us)
    found = re.search(r'last firing <time datetime="([^"]+)"', page)
    assert (found and found[1]) == (None if last_before is None else shown.iso(now_us - last_before * minute))
    assert ("has not fired yet" in page) == (last_before is None)


@pytest.mark.parametrize(
    ("status", "detail"),
    [("accepted", ""), ("not attached", "integration <mqtt> is not loaded"), ("refused", "Invalid trigger")],
)
async def test_page_of_a_handler_shows_the_answer_to_its_trigger(plausible: Path, status: str, detail: str) -> None:
    async with DataSyncService(plausible) as data:
        shown = (await data.registration(4)).registration
    feed = MemoryFeed()
    answer = TriggerState(shown.app, shown.instance, shown.name, shown.listens_to, status, detail)
    feed.state = MemorySnapshot(triggers=[replace(answer, topic="trigger.other"), answer])
    async with DataSyncService(plausible, feed) as data, app_client(data) as client:
        page = (await client.get("/registrations/4")).text
        other = (await client.get("/registrations/6")).text
        answers = (await client.get("/api/v1/triggers")).json()
    assert f">{status}</span>" in page
    assert html.escape(detail) in page
    assert "last firing" in page
    assert 'id="trigger"' not in other
    assert answers[1] == asdict(answer)


async def test_names_in_headings_break_only_after_dots_and_underscores(
    new_history: Callable[..., Any], now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - 60_000_000)
        history.run(history.listener("a_b", "<on>_x.y", "t"), now_us - 1_000_000, status="error")
    async with patient_data(history.path) as data, app_client(data) as client:
        assert "Failing: a_<wbr>b.&lt;on&gt;_x.<wbr>y</h1>" in (await client.get("/")).text
        assert "<h1>a_<wbr>b</h1>" in (await client.get("/apps/a_b")).text
        assert '<span class="name">a_<wbr>b</span>' in (await client.get("/apps")).text
