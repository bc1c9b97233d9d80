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
