"""Buttons of the running demo: with a token, without one, and where the settings do not allow changes."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

APP, JOB, ERROR = "/apps/night_round", "/jobs?app=night_round", "/errors?since=30d"
TOKEN = "a-token-of-letters"
LOCKED = "Changes need a token: set token in [sync], or control_without_token = true on a machine that you trust."

Visit = Callable[..., Any]


@pytest.fixture
def visit(chromium: Any, start_demo: Callable[..., str]) -> Iterator[Visit]:
    """Start the demo with an environment, and return a page with its overview. A script error fails the test."""
    contexts: list[Any] = []
    problems: list[str] = []

    def visit(**environment: str) -> Any:
        context = chromium.new_context(base_url=start_demo(**environment), viewport={"width": 1440, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.goto("/")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def press(page: Any, name: str) -> str:
    """Press a button of an action, and return the sentence that the page then shows."""
    with page.expect_navigation():
        page.locator("form.action").get_by_role("button", name=name, exact=True).click()
    assert page.locator(".notice.bad").count() == 0, page.locator(".notice.bad").inner_text()
    return page.locator(".notice.good").inner_text()


def buttons(page: Any) -> list[str]:
    return page.locator("form.action button").all_inner_texts()


def open_job(page: Any) -> None:
    page.goto(JOB)
    page.locator("#registrations tbody a[data-open]").first.click()
    page.locator("#about-title").wait_for()


def change_everything(page: Any) -> None:
    """Press each button of a job, an app and an error, and check what the page shows after it."""
    open_job(page)
    address = page.url
    assert buttons(page) == ["Run now", "Pause job"]
    page.get_by_role("button", name="Pause updates").click()
    page.get_by_role("button", name="Resume updates").click()
    assert "has started" in press(page, "Run now")
    assert page.url.startswith(address.partition("?")[0])
    press(page, "Pause job")
    assert page.locator("#next .badge").inner_text() == "paused"
    assert buttons(page) == ["Run now", "Resume job"]
    press(page, "Resume job")
    assert page.locator("#next .badge").count() == 0

    page.goto(APP)
    assert buttons(page) == ["Reload", "Rehearse", "Disable"]
    press(page, "Rehearse")
    press(page, "End rehearsal")
    press(page, "Disable")
    assert page.locator(".page-head .badge").first.inner_text() == "disabled"
    assert buttons(page) == ["Enable"]
    press(page, "Enable")
    assert buttons(page) == ["Reload", "Rehearse", "Disable"]

    page.goto(ERROR)
    page.locator("#errors tbody a[data-open]").first.click()
    assert "Silenced until" not in page.locator(".page-head").inner_text()
    press(page, "Silence")
    assert "Silenced until" in page.locator(".page-head").inner_text()
    press(page, "End silence")
    assert "Silenced until" not in page.locator(".page-head").inner_text()


def test_visitor_of_the_demo_can_press_every_button_without_a_token(visit: Visit) -> None:
    change_everything(visit())


def test_visitor_signs_in_with_the_token_changes_something_and_signs_out(visit: Visit) -> None:
    page = visit(HASSETTE__SYNC__TOKEN=TOKEN)
    assert "/login" in page.url
    page.fill("#token", "a-wrong-token-of-letters")
    page.get_by_role("button", name="Sign in").click()
    assert page.locator("#wrong").inner_text() == "Wrong token."
    page.fill("#token", TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#verdict").wait_for()
    change_everything(page)
    for name in ("Sign out", "Sign out all browsers"):
        button = page.get_by_role("button", name=name, exact=True)
        # A filled button would be the most prominent one of each page.
        assert button.evaluate("one => getComputedStyle(one).backgroundColor") == "rgba(0, 0, 0, 0)"
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.locator("#token").wait_for()
    page.goto(APP)
    assert "/login" in page.url


def test_visitor_who_may_not_change_anything_sees_the_reason_in_place_of_the_buttons(visit: Visit) -> None:
    page = visit(HASSETTE__SYNC__CONTROL_WITHOUT_TOKEN="false")
    open_job(page)
    assert (buttons(page), page.locator(".locked").inner_text()) == ([], LOCKED)
    page.goto(ERROR)
    page.locator("#errors tbody a[data-open]").first.click()
    page.locator(".locked").wait_for()
    assert buttons(page) == []
    page.goto(f"{APP}?since=30d")
    assert (buttons(page), page.locator(".locked").inner_text()) == ([], LOCKED)
    # A page that was opened before the settings changed still has its buttons.
    page.evaluate(
        """() => { document.querySelector(".page-head").insertAdjacentHTML("beforeend", `
            <form class="action" method="post" action="../control"><input name="action" value="disable_app">
            <input name="target" value="night_round"><input name="next" value="/apps/night_round?since=30d">
            <button>Disable</button></form>`); }"""
    )
    with page.expect_navigation():
        page.get_by_role("button", name="Disable").click()
    assert page.locator("#verdict h1").inner_text() == "Not allowed"
    assert "set token in [sync]" in page.locator("#verdict").inner_text()
    page.get_by_role("link", name="Back to the page").click()
    page.locator("#members").wait_for()
    assert re.search(r"/apps/night_round\?since=30d$", page.url)
