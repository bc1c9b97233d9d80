"""Charts and waterfalls in a real browser: pointer, touch, keyboard, zoom and the choice of a time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.history import HOUR, History
from support.waiting import patience

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LIMIT_MS = patience(15) * 1_000
PLOTS = "#runs-plots"


def times(url: str) -> tuple[int, int]:
    query = parse_qs(urlsplit(url).query)
    return int(query["since"][0]), int(query["until"][0])


def columns(page: Any) -> list[dict[str, str]]:
    return page.evaluate(f"[...document.querySelectorAll('{PLOTS} .areas span')].map((span) => ({{...span.dataset}}))")


def middle_of(page: Any, index: int) -> tuple[float, float]:
    """Return the middle of a column in the window."""
    # A tap on another element may have scrolled the chart out of the window.
    page.locator(PLOTS).scroll_into_view_if_needed()
    box = page.locator(PLOTS).bounding_box()
    column = columns(page)[index]
    share = (float(column["x"]) + float(column["width"]) / 2) / 100
    return box["x"] + box["width"] * share, box["y"] + box["height"] / 2


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])
def test_read_out_follows_the_pointer_and_stays_in_the_chart(open_page: Callable[..., Any], wide: bool) -> None:
    page = open_page("/", wide=wide)
    page.locator(PLOTS).scroll_into_view_if_needed()
    every = columns(page)
    for index in (0, len(every) // 2, len(every) - 1):
        page.mouse.move(*middle_of(page, index))
        readout = page.locator(f"{PLOTS} .readout")
        assert every[index]["title"] in readout.inner_text()
        assert every[index]["text"] in readout.inner_text()
        assert "runs" in every[index]["text"]
        box, plots = readout.bounding_box(), page.locator(PLOTS).bounding_box()
        assert box["x"] >= plots["x"] - 1
        assert box["x"] + box["width"] <= plots["x"] + plots["width"] + 1
    page.mouse.move(2, 2)
    assert page.locator(".readout").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_drag_zooms_into_the_chosen_periods(open_page: Callable[..., Any]) -> None:
    page = open_page("/?since=24h")
    every = columns(page)
    page.mouse.move(*middle_of(page, 8))
    page.mouse.down()
    page.mouse.move(*middle_of(page, 7))
    page.mouse.move(*middle_of(page, 5))
    assert "release to zoom in" in page.locator(".readout").inner_text()
    page.mouse.up()
    page.wait_for_url("**/?since=*until=*", timeout=LIMIT_MS)
    assert times(page.url) == (int(every[5]["from"]), int(every[8]["until"]))
    assert int(columns(page)[0]["until"]) - int(columns(page)[0]["from"]) < HOUR, "a short range has minutes"
    page.locator(".top nav a", has_text="Runs").click()
    page.wait_for_url("**/runs?*", timeout=LIMIT_MS)
    assert times(page.url) == (int(every[5]["from"]), int(every[8]["until"])), "the choice survives the click"
    page.go_back()
    page.go_back()
    assert parse_qs(urlsplit(page.url).query) == {"since": ["24h"]}, "back undoes the zoom"


def test_click_shows_links_to_the_runs_of_a_period(open_page: Callable[..., Any]) -> None:
    page = open_page("/registrations/4?since=24h")
    column = columns(page)[10]
    page.mouse.click(*middle_of(page, 10))
    page.mouse.move(2, 2)
    page.locator(".readout a", has_text="Show runs").click()
    page.wait_for_url("**/runs?*", timeout=LIMIT_MS)
    assert parse_qs(urlsplit(page.url).query)["registration"] == ["4"]
    assert times(page.url) == (int(column["from"]), int(column["until"]))


def test_tap_shows_the_read_out_on_a_phone(open_page: Callable[..., Any]) -> None:
    page = open_page("/", wide=False, has_touch=True, is_mobile=True)
    column = columns(page)[12]
    page.touchscreen.tap(*middle_of(page, 12))
    readout = page.locator(".readout")
    assert column["title"] in readout.inner_text()
    assert "Zoom in" in readout.inner_text()
    page.locator("h1").tap()
    assert readout.count() == 0
    page.touchscreen.tap(*middle_of(page, 12))
    page.locator(".readout a", has_text="Zoom in").tap()
    page.wait_for_url("**/?*since=*", timeout=LIMIT_MS)
    assert times(page.url) == (int(column["from"]), int(column["until"]))


def test_chart_is_read_and_zoomed_by_keyboard(open_page: Callable[..., Any]) -> None:
    page = open_page("/?since=24h")
    every = columns(page)
    plots = page.locator(PLOTS)
    plots.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert every[1]["title"] in page.locator(".readout").inner_text()
    assert plots.get_attribute("aria-valuenow") == "1"
    assert every[1]["text"] in plots.get_attribute("aria-valuetext")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert "3 periods" in page.locator(".readout").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".readout").count() == 0
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Show runs"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?*until=*", timeout=LIMIT_MS)
    assert times(page.url) == (int(every[-3]["from"]), int(every[-2]["until"]))


def test_heat_map_has_a_read_out(open_page: Callable[..., Any]) -> None:
    page = open_page("/registrations/4?since=24h")
    page.locator("#heat-plots").focus()
    page.keyboard.press("Home")
    text = page.locator("#heat-plots .readout").inner_text()
    assert "≤" in text


@pytest.mark.parametrize("path", ["/", "/registrations/4"])
def test_live_update_keeps_the_read_out_and_the_selection(
    open_page: Callable[..., Any], history_path: Path, path: str
) -> None:
    page = open_page(path)
    page.locator("#connection[data-state=on]").wait_for(timeout=LIMIT_MS)
    before = columns(page)
    page.mouse.move(*middle_of(page, 3))
    page.mouse.down()
    page.mouse.move(*middle_of(page, 6))
    with History(history_path) as history:
        id_ = history.run(4, int(time.time() * 1_000_000), session_id=3)
    page.locator(f"#recent tr[data-id='{id_}']").wait_for(timeout=LIMIT_MS)
    page.wait_for_function(
        f"text => document.querySelector('{PLOTS} .areas span:last-child').dataset.text !== text",
        arg=before[-1]["text"], timeout=LIMIT_MS,
    )  # fmt: skip
    assert page.locator(f"{PLOTS} .selection.chosen").count() == 1
    assert "4 periods" in page.locator(".readout").inner_text()
    page.mouse.move(*middle_of(page, 7))
    assert "5 periods" in page.locator(".readout").inner_text()
    page.mouse.up()
    page.wait_for_url("**until=*", timeout=LIMIT_MS)
    assert times(page.url) == (int(before[3]["from"]), int(before[7]["until"]))


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])
def test_time_is_chosen_from_a_form_and_from_names(open_page: Callable[..., Any], script: bool, wide: bool) -> None:
    page = open_page("/runs?app=motion_light", wide=wide, java_script_enabled=script)
    page.locator("summary", has_text="Other times").click()
    panel = page.locator(".range-choice .panel")
    box = panel.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= (1440 if wide else 360)
    panel.locator("a", has_text="This session").click()
    assert parse_qs(urlsplit(page.url).query)["app"] == ["motion_light"]
    page.locator("summary", has_text="Other times").click()
    assert page.locator(".panel a[aria-current]").inner_text() == "This session"
    page.locator("#range-since").fill("2026-01-31T18:00")
    page.locator("#range-until").fill("2026-02-01T06:30")
    page.locator(".panel button").click()
    query = parse_qs(urlsplit(page.url).query)
    assert query == {"app": ["motion_light"], "since": ["2026-01-31T18:00"], "until": ["2026-02-01T06:30"]}
    assert "31 Jan" in page.locator(".ranges").inner_text()


def test_figures_of_a_chart_are_in_a_table_without_javascript(open_page: Callable[..., Any]) -> None:
    page = open_page("/?since=24h", java_script_enabled=False)
    page.locator("#runs-table summary").click()
    rows = page.locator("#runs-table tbody tr")
    assert rows.count() > 20
    assert "Hassette crashed" in page.locator("#runs-table").inner_text()
    rows.first.locator("a").click()
    since, until = times(page.url)
    assert until - since == HOUR


def test_waterfall_of_both_runs_is_the_same(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/runs?app=presence")
    page.locator("#recent tbody a[href*='/runs/']").first.click()
    what = (
        "[...document.querySelectorAll('.waterfall tbody tr')]"
        ".map((row) => row.textContent.replace('this run, ', '').split(/\\s+/).join(' '))"
    )
    first = page.evaluate(what)
    assert "Device: binary_sensor." in first[0]
    assert len(first) >= 5, "the device, both runs, a call and a change of the light"
    assert page.locator(".waterfall tr[aria-current] .what").inner_text().startswith("presence.on_light")
    page.locator(".waterfall .what a", has_text="motion_light").click()
    assert page.locator(".waterfall tr[aria-current] .what").inner_text().startswith("motion_light.")
    assert page.evaluate(what) == first


def test_link_and_id_of_a_run_are_copied(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/runs", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#recent tbody a[href*='/runs/']").first.click()
    for label in ("Copy link", "Copy id", "Copy command"):
        page.locator("button", has_text=label).click()
        page.locator("button", has_text="Copied").wait_for(timeout=LIMIT_MS)
        copied = page.evaluate("navigator.clipboard.readText()")
        run = urlsplit(page.url).path.rpartition("/")[2]
        assert copied in (page.url, run, f"hassette telemetry show {run}")
        page.locator("button", has_text=label).wait_for(timeout=LIMIT_MS)
