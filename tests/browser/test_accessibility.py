"""No page has a serious finding of axe-core, dark and light, wide and narrow."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

pytest.importorskip("axe_playwright_python")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
PATHS = (
    "/",
    "/apps",
    "/apps/motion_light",
    "/handlers",
    "/jobs",
    "/registrations/4",
    "/runs?status=failed&app=climate_guard",
    "/runs",
    "/errors",
    "/errors/1",
    "/logs",
    "/events?routine=yes",
    "/compare?since=7d",
    "/not-run",
    "/why?entity=light.kitchen",
    "/ask?q=what+failed",
    "/ask?q=was+the+framework+up",
    "/home",
    "/sessions",
    "/no-such-page",
)
SERIOUS = """
async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .filter((found) => found.impact === "serious" || found.impact === "critical")
  .map((found) => `${found.id}: ${found.nodes.map((node) => node.html.slice(0, 120)).slice(0, 3).join(" | ")}`)
"""


# Pages of the running demo, each with the link that leads to the next page. Its history has versions of apps, triggers
# that led to no run, and all buttons.
DEMO = (
    ("/?since=30d", ""),
    ("/apps?since=30d", "#apps a[data-open]"),
    ("/apps/night_round", ""),
    ("/jobs", "#registrations a[data-open]"),
    ("/handlers", "#registrations a[data-open]"),
    ("/runs?status=failed&since=30d", "#recent a[data-open]"),
    ("/errors?since=30d", "#errors a[data-open]"),
    ("/not-run?since=30d", "#not-runs a:has-text('why not')"),
    ("/events?since=30d&routine=yes", ""),
    ("/compare?since=7d", ""),
    ("/logs?since=30d", ""),
    ("/sessions", ""),
    ("/ask", ""),
    ("/ask?q=what+failed+this+week", ""),
    ("/ask?q=why+did+light.hall+turn+on", ""),
    ("/why-not?of=motion_light.hall.turn_on", ""),
    ("/home", ""),
    ("/login", ""),
)


@pytest.mark.timeout(600)
def test_pages_of_the_running_demo_have_no_serious_barrier(chromium: Any, start_demo: Callable[..., str]) -> None:
    address = start_demo()
    found: dict[str, list[str]] = {}
    for scheme, width in (("light", 1440), ("dark", 360)):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()

        def check(path: str, page: Any = page) -> None:
            page.evaluate(AXE)
            if serious := page.evaluate(SERIOUS):
                found[path] = serious

        for path, link in DEMO:
            page.goto(address + path)
            check(path)
            if link:
                with page.expect_navigation():
                    page.locator(link).first.click()
                check(page.url.removeprefix(address))
        context.close()
    assert found == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "narrow"])
def test_pages_have_no_serious_barrier(
    chromium: Any, address: str, history_path: object, wide: bool, dark: bool
) -> None:
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900} if wide else {"width": 360, "height": 800},
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    found: dict[str, list[str]] = {}
    for path in PATHS:
        page.goto(address + path)
        page.evaluate(AXE)
        if serious := page.evaluate(SERIOUS):
            found[path] = serious
    context.close()
    assert found == {}


def test_dialog_with_the_keys_has_no_serious_barrier(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    page.keyboard.press("?")
    assert page.locator("dialog[open]").is_visible()
    page.evaluate(AXE)
    assert page.evaluate(SERIOUS) == []
