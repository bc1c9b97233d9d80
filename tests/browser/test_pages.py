"""The pages in a real browser: live, by keyboard, on a phone, in the dark, and without JavaScript."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.history import HOUR, MINUTE, History
from support.waiting import patience

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PAGES = {
    "overview": "/",
    "apps": "/apps",
    "app": "/apps/motion_light",
    "logs": "/logs",
    "events": "/events?routine=yes",
    "compare": "/compare?since=7d",
    "not-run": "/not-run",
    "why": "/why?entity=light.kitchen",
    "household": "/home",
    "handlers": "/handlers",
    "jobs": "/jobs",
    "handler": "/registrations/4",
    "runs": "/runs",
    "failed-runs": "/runs?status=failed",
    "errors": "/errors",
    "error": "/errors/1",
    "sessions": "/sessions",
}
LIMIT_MS = patience(15) * 1_000
CUT_OFF = (
    "[...document.querySelectorAll('.scroll:has(table)')].filter((one) => one.scrollWidth > one.clientWidth)"
    ".map((one) => one.getAttribute('aria-label'))"
)
# Words that are on two lines although they are shorter than the block that contains them.
BROKEN_WORDS = r"""() => {
  const broken = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node.parentElement.closest("pre, svg, select, [hidden]")) continue;
    let block = node.parentElement;
    while (getComputedStyle(block).display.startsWith("inline")) block = block.parentElement;
    for (const word of node.textContent.matchAll(/(?<![^\s._\/-])[a-z0-9]+(?![^\s._\/,:?-])/gi)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const boxes = [...range.getClientRects()];
      const width = boxes.reduce((sum, box) => sum + box.width, 0);
      const lines = new Set(boxes.map((box) => Math.round(box.top)));
      if (lines.size > 1 && width < block.clientWidth) broken.push(`${word[0]} in ${node.textContent}`);
    }
  }
  return broken;
}"""
RUN_LINK = "#recent tbody tr a[href*='/runs/']"
PATH = "link => link.pathname"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])
def test_every_page_fits_its_window(
    open_page: Callable[..., Any], address: str, screenshots: Path, wide: bool, dark: bool
) -> None:
    page = open_page("/", wide=wide, dark=dark)
    page.goto(address + "/runs?app=motion_light&text=kitchen")
    run = page.locator(RUN_LINK).first.evaluate(PATH)
    page.goto(address + "/runs?status=failed&app=climate_guard")
    failed_run = page.locator(RUN_LINK).first.evaluate(PATH)
    grounds = set()
    for name, path in {**PAGES, "run": run, "failed-run": failed_run}.items():
        page.goto(address + str(path))
        wider_by = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        look = f"{name}-{'wide' if wide else 'narrow'}-{'dark' if dark else 'light'}"
        page.screenshot(path=screenshots / f"{look}.png", full_page=True)
        assert wider_by <= 0, f"{look} is {wider_by} px too wide"
        # On a phone, a column beyond the edge would not be noticed.
        assert wide or page.evaluate(CUT_OFF) == [], look
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ({"rgb(18, 22, 23)"} if dark else {"rgb(244, 245, 244)"})


def test_names_break_between_their_words_on_a_phone(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/", wide=False)
    page.goto(address + "/runs?status=failed&app=climate_guard")
    failed_run = page.locator(RUN_LINK).first.evaluate(PATH)
    for name, path in {**PAGES, "failed-run": failed_run}.items():
        page.goto(address + str(path))
        assert page.evaluate(BROKEN_WORDS) == [], name


def test_number_of_filtered_rows_is_on_one_line(open_page: Callable[..., Any]) -> None:
    page = open_page("/apps", wide=False)
    page.locator("#apps-find").fill("no such app")
    count = page.locator("#apps-find-count")
    count.filter(has_text="0 shown").wait_for(timeout=LIMIT_MS)
    height, line = count.evaluate(
        "one => [one.getBoundingClientRect().height, parseFloat(getComputedStyle(one).lineHeight)]"
    )
    assert height < 2 * line


def test_whole_name_in_a_text_looks_like_a_link(open_page: Callable[..., Any]) -> None:
    page = open_page("/why-not?of=climate_guard.check_windows")
    for part in ("", " .name"):
        lines = page.locator(f"#answer .who{part}").evaluate("one => getComputedStyle(one).textDecorationLine")
        assert lines == "underline", part


LONG = "an_app_with_a_very_long_name_for_all_lights_and_pumps_in_the_garden"


@pytest.fixture
def long_history(history_path: Path) -> dict[str, str]:
    """Add long names and messages, and 40 sessions with ten long facts each. Return the paths of the pages."""
    facts = {f"fact_number_{n}": "of quite some length, as a platform's name has it" for n in range(10)}
    with History(history_path) as history:
        now_us = int(time.time() * 1_000_000)
        for n in range(40):
            start_us = now_us - (100 - n) * HOUR
            history.session(
                start_us, start_us + HOUR // 2, "crashed", reason="the process ended without closing it",
                facts=json.dumps({**facts, "outcome": "crashed", "home_assistant": "2025.4.4"}),
            )  # fmt: skip
        session = history.session(now_us - MINUTE)
        handler = history.listener(LONG, f"on_{'x' * 80}", f"state_changed.sensor.{'y' * 120}")
        run = history.run(
            handler, now_us, session_id=session, status="error", entity_id=f"sensor.{'z' * 150}", old_state="1" * 200,
            new_state="2", error=("exception", f"package.{'E' * 60}Error", "w" * 700),
        )  # fmt: skip
        history.lifecycle(session, now_us, "database_recovered", f"/config/{'p' * 90}", "damaged " * 40)
        (group,) = history.db.execute("SELECT error_group_id FROM failures WHERE run_id = ?", (run,)).fetchone()
    return {**PAGES, "handler": f"/registrations/{handler}", "error": f"/errors/{group}", "run": f"/runs/{run}"}


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])
def test_long_names_and_many_facts_fit_the_window(
    open_page: Callable[..., Any], long_history: dict[str, str], address: str, screenshots: Path, wide: bool
) -> None:
    page = open_page("/", wide=wide)
    for name, path in long_history.items():
        page.goto(address + path)
        page.screenshot(path=screenshots / f"long-{name}-{'wide' if wide else 'narrow'}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        assert wide or page.evaluate(CUT_OFF) == [], name
        # If a cell may break its text anywhere, the other columns must not squeeze it to the width of a few letters.
        squeezed = page.evaluate(
            "[...document.querySelectorAll('.who, .problem, .why')].filter((one) => one.offsetParent)"
            ".map((one) => one.parentElement.clientWidth).filter((width) => width < 120)"
        )
        assert squeezed == [], name
        # A heading next to a long link must not be squeezed, either.
        headings = page.evaluate(
            "[...document.querySelectorAll('h2')].filter((one) => one.offsetHeight > 75).map((one) => one.innerText)"
        )
        assert headings == [], name
        current = page.locator(".top nav a[aria-current]")
        if current.count():
            box = current.bounding_box()
            assert box["x"] >= 0, name
            assert box["x"] + box["width"] <= page.evaluate("innerWidth"), f"the tab of {name} is cut off"


@pytest.mark.parametrize("hour", [0])
def test_dates_in_a_narrow_list_leave_room_for_the_names(
    open_page: Callable[..., Any], long_history: dict[str, str]
) -> None:
    page = open_page(f"{long_history['runs']}?app=climate_guard&until=yesterday 23:00", wide=False)
    texts = page.locator(".runs time").all_inner_texts()
    assert len(texts) > 40
    assert all(" " in text for text in texts), "a time of yesterday has a date"
    widths = page.evaluate(
        "[...document.querySelectorAll('.runs .who')].filter((one) => one.offsetParent)"
        ".map((one) => one.parentElement.clientWidth)"
    )
    assert min(widths) >= 120


def test_facts_of_a_session_unfold_and_stay_open(
    open_page: Callable[..., Any], long_history: dict[str, str], history_path: Path
) -> None:
    page = open_page("/sessions", wide=False)
    rows = page.locator("#sessions tbody tr")
    assert rows.count() == 30
    assert page.evaluate("document.getElementById('sessions').scrollHeight") < 6_000
    assert "the process ended without closing it" in rows.nth(5).inner_text()
    facts = rows.nth(5).locator("details")
    assert facts.locator("summary").inner_text() == "Home Assistant 2025.4.4"
    assert not facts.locator("dl").is_visible()
    facts.locator("summary").click()
    assert "fact number 9" in facts.inner_text()
    assert "outcome" not in facts.inner_text(), "the outcome has a column"
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    with History(history_path) as history:
        new = history.session(int(time.time() * 1_000_000))
        history.run(5, int(time.time() * 1_000_000), session_id=3)
    page.locator(f"#session-{new}").wait_for(timeout=LIMIT_MS)
    assert rows.nth(6).locator("dl").is_visible(), "a live update leaves unfolded rows unfolded"


def test_axis_labels_do_not_overlap(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/", wide=False)
    for path in ("/registrations/4", "/registrations/4?since=7d", "/sessions", "/?since=30d"):
        page.goto(address + path)
        gaps = page.evaluate(
            "[...document.querySelectorAll('.axis-labels')].flatMap((axis) => {"
            " const boxes = [...axis.querySelectorAll('text')].map((text) => text.getBoundingClientRect())"
            "  .filter((box) => box.width);"
            " return boxes.slice(1).map((box, index) => box.left - boxes[index].right); })"
        )
        assert gaps, path
        assert min(gaps) >= 4, path


def test_page_of_a_quiet_handler_receives_only_new_runs(
    open_page: Callable[..., Any], address: str, history_path: Path
) -> None:
    page = open_page("/")
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    for path in ("/registrations/6", "/runs?app=odd", "/runs?text=nothing+has+this", "/errors", "/sessions"):
        page.goto(address + path)
        page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    page.goto(address + "/registrations/6")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    with History(history_path) as history:
        id_ = history.run(6, int(time.time() * 1_000_000), session_id=3)
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    received = [run["id"] for frame in frames for run in json.loads(frame)["runs"]]
    assert received == [str(id_)]


def test_link_to_older_runs_follows_the_live_list(
    open_page: Callable[..., Any], address: str, history_path: Path
) -> None:
    page = open_page("/runs")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    with History(history_path) as history:
        new = [history.run(5, int(time.time() * 1_000_000) + n, session_id=3) for n in range(30)]
    page.locator(f"#recent tr[data-id='{new[-1]}']").wait_for(timeout=LIMIT_MS)
    # Equal runs are in one place, so the rows are not in the order of their ids. All ids have the same length.
    ids = "[...document.querySelectorAll('tr[data-id]')].map((row) => row.dataset.id).sort().reverse()"
    seen = page.evaluate(ids)
    page.locator("a[rel=next]").click()
    seen += page.evaluate(ids)
    page.goto(address + f"/runs?cursor={seen[99]}")
    assert seen == [*seen[:100], *page.evaluate(ids)], "no run is skipped and none is repeated"


def test_live_page_shows_its_time_and_the_time_zone_of_the_home(
    open_page: Callable[..., Any], history_path: Path
) -> None:
    page = open_page("/")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    opened = page.locator("footer time").get_attribute("datetime")
    with History(history_path) as history:
        history.db.execute("UPDATE sessions SET facts = json_set(facts, '$.time_zone', 'Asia/Kathmandu')")
        history.run(5, int(time.time() * 1_000_000), session_id=3)
    page.locator("footer", has_text="times in Asia/Kathmandu").wait_for(timeout=LIMIT_MS)
    assert page.locator("footer time").get_attribute("datetime") > opened
    assert page.locator(".ranges").inner_text().endswith("Asia/Kathmandu")


def test_page_that_missed_many_runs_announces_no_old_failure(open_page: Callable[..., Any], history_path: Path) -> None:
    page = open_page("/")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    with History(history_path) as history:
        now_us = int(time.time() * 1_000_000)
        history.begin()  # the follower gets all runs at once, as after a computer slept
        for n in range(300):
            history.run(
                5, now_us - 400 + n, session_id=3, status="error", error=("exception", "GateError", "the gate is stuck")
            )
        id_ = history.run(5, now_us, session_id=3)
        history.commit()
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    assert page.locator("#announcement").inner_text() == ""


def test_hidden_page_asks_the_server_for_nothing_until_it_is_shown(
    open_page: Callable[..., Any], history_path: Path, heartbeat: None
) -> None:
    page = open_page("/sessions")
    page.clock.install()
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.isHidden === true })")
    sockets: list[Any] = []
    requests: list[str] = []
    page.on("websocket", lambda opened: sockets.append(opened))
    page.goto(page.url.replace("/sessions", "/"))
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    change = "hidden => { window.isHidden = hidden; document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(change, True)
    with sockets[0].expect_event("close", timeout=LIMIT_MS):
        page.clock.fast_forward(31_000)
    page.on("request", lambda request: requests.append(request.url))
    with History(history_path) as history:
        id_ = history.run(5, int(time.time() * 1_000_000), session_id=3)
    page.clock.fast_forward(600_000)
    assert (requests, len(sockets)) == ([], 1)
    page.evaluate(change, False)
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    assert len(sockets) == 2


def test_new_run_appears_and_its_failure_is_announced(
    open_page: Callable[..., Any], history_path: Path, heartbeat: None
) -> None:
    page = open_page("/")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    assert page.locator("#connection").inner_text() == "Live (from the database)"
    runs_before = page.locator("#tiles .figure").first.inner_text()
    with History(history_path) as history:
        at_us = int(time.time() * 1_000_000)
        id_ = history.run(
            5, at_us, session_id=3, entity_id="binary_sensor.back_door", old_state="off", new_state="on",
            status="error", error=("exception", "GateError", "the gate is stuck"),
        )  # fmt: skip
    row = page.locator(f"#recent tr[data-id='{id_}']")
    row.wait_for(timeout=LIMIT_MS)
    assert "binary_sensor.back_door" in row.inner_text()
    assert "GateError: the gate is stuck" in row.inner_text()
    assert page.locator("#tiles .figure").first.inner_text() != runs_before
    assert "GateError" in page.locator("#attention").inner_text()
    assert page.locator("#announcement").inner_text() == "door_reminder on_door failed."


def test_page_shows_that_it_reconnects_and_recovers(chromium: Any, history_path: Path) -> None:
    import asyncio
    import threading

    from hassette_sync import DataSyncService
    from hassette_sync.plugin import create_web_service
    from hassette_sync.settings import WebSettings

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(patience(10))

    async def make(port: int) -> Any:
        return await create_web_service(DataSyncService(history_path), WebSettings(port=port)).__aenter__()

    service = run(make(0))
    url = service.url
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(url)
        page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
        run(service.stop())
        page.locator("#connection[data-state=off]").wait_for(timeout=LIMIT_MS)
        assert page.locator("#connection").inner_text() == "Reconnecting…"
        assert page.locator("#recent tbody tr").count() > 0, "the page keeps its content"
        service = run(make(int(url.rsplit(":", 1)[1].strip("/"))))
        page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
        assert page.locator("#announcement").inner_text() == "Live updates are back."
    finally:
        context.close()
        run(service.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(patience(5))
        loop.close()


def test_all_links_are_reachable_by_keyboard_with_visible_focus(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "the skip link shows itself"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if page.evaluate("document.activeElement === document.body"):
            break
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        seen.append(page.evaluate("document.activeElement.pathname || ''"))
    assert any(href.startswith("/errors/") for href in seen)
    assert any(re.fullmatch(r"/runs/\d+", href) for href in seen)


def test_live_update_keeps_the_focus(open_page: Callable[..., Any], history_path: Path, heartbeat: None) -> None:
    page = open_page("/")
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    # Rows of equal runs are hidden, and a hidden link takes no focus. The new run may be folded with the newest rows.
    link = page.locator(f"{RUN_LINK}:visible").nth(4)
    link.focus()
    focused = link.get_attribute("href")
    with History(history_path) as history:
        id_ = history.run(5, int(time.time() * 1_000_000), session_id=3)
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    assert page.evaluate("document.activeElement.getAttribute('href')") == focused


def test_pages_work_without_javascript(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/", java_script_enabled=False)
    assert page.locator("#recent tbody tr:visible").count() == 15
    assert page.locator("#connection").is_hidden()
    page.locator("nav a", has_text="Runs").click()
    page.locator("select[name=status]").select_option("failed")
    page.locator("button", has_text="Filter").click()
    assert "status=failed" in page.url
    assert page.locator("#recent tbody tr").count() > 5
    assert page.locator("#recent tbody tr.is-success").count() == 0


def test_script_in_a_name_is_shown_and_not_run(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/")
    for path in ("/", "/handlers", "/registrations/6", "/runs?app=odd", "/errors"):
        page.goto(address + path)
        assert "<script>alert(" in page.locator("main").inner_text()
        assert page.locator("main script").count() == 0


def test_cause_of_a_failure_is_two_clicks_from_the_overview(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.locator("#attention .problem", has_text="unavailable").click()
    assert "could not convert string to float" in page.locator("main").inner_text()
    page.locator("table.runs tbody a[href*='/runs/']").first.click()
    run = page.locator("main").inner_text()
    assert "Trigger" in run
    assert "sensor.bedroom_temperature" in run
    assert "Traceback (most recent call last)" in run
    assert "The sensor is unavailable" in run


def test_page_loads_quickly_and_is_small(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/")
    page.goto(address + "/")
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    assert timing["domContentLoadedEventEnd"] < patience(1.5) * 1_000
    weight = page.evaluate(
        "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)"
    )
    assert weight + timing["encodedBodySize"] < 120_000, "a page and all that it loads"
