"""Each question of ``docs/how-to`` has its answer within three clicks of the overview.

With ``HASSETTE_HOW_TO_PICTURES=docs/images/how-to``, the test writes the pictures of these pages into the folder, and
with another folder also those of a phone and of a dark page.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.how_to import NOW, DemoHistory, pages, time_of_the_demo
from support.waiting import patience

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MAX_CLICKS = 3
LOOKS = {"": (1040, "light"), "-dark": (1040, "dark"), "-narrow": (360, "light"), "-narrow-dark": (360, "dark")}
PICTURE_HEIGHT = 620


class Walk:
    """A way through the pages, which begins at the overview.

    Args:
        page: The page of the browser.
        address: The address of the overview.
    """

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.clicks = 0
        page.goto(address)

    def ask(self, question: str) -> None:
        """Type a question into the box of the overview, which counts as a click."""
        self.clicks += 1
        self.page.locator("#ask").fill(question)
        self.page.locator("#ask").press("Enter")
        self.page.locator("#answer").wait_for()

    def click(self, selector: str, **options: Any) -> None:
        """Click the first element."""
        self.clicks += 1
        with self.page.expect_navigation():
            self.page.locator(selector, **options).first.click()

    def menu(self, title: str) -> None:
        """Click a page of the navigation."""
        self.click(".top nav a", has_text=title)

    def week(self) -> None:
        """Choose the last seven days."""
        self.click("#range a[href*='since=7d']")


def why_did_it_turn_on(walk: Walk) -> tuple[str, list[str]]:
    walk.ask("why did light.hall turn on at 03:12")
    return "#answer", ["Hall motion", "motion_light.hall.turn_on", "the device itself"]


def why_did_it_not_turn_on(walk: Walk) -> tuple[str, list[str]]:
    walk.ask("why did light.living_room not turn on at 07:05")
    return "#answer", [
        "motion_light.living_room.turn_on did not run",
        "is_dark_enough() must be true, it returned False",
    ]


def what_failed_today(walk: Walk) -> tuple[str, list[str]]:
    return "#attention", ["ValueError", "new", "climate_guard", "could not convert string to float: 'unknown'"]


def which_handler_got_slower(walk: Walk) -> tuple[str, list[str]]:
    walk.week()
    return "#changed", ["slower", "pause_heating", "95 % of its runs took at most"]


def did_the_job_run(walk: Walk) -> tuple[str, list[str]]:
    walk.ask("why not night_round.check at 02:30")
    return "#answer", ["Hassette crashed at 02:21:09 and was not running", "It last ran at"]


def was_the_framework_up(walk: Walk) -> tuple[str, list[str]]:
    walk.menu("Sessions")
    return "main", ["02:21:09", "02:52:40", "crashed"]


def who_else_reacted(walk: Walk) -> tuple[str, list[str]]:
    walk.ask("why did climate.living_room turn off at 07:10")
    walk.click("a", has_text="show the run")
    walk.click("a", has_text="all runs of this entity")
    return "main", ["climate_guard", "room_climate", "pause_heating", "pause"]


def what_did_this_run_change(walk: Walk) -> tuple[str, list[str]]:
    walk.ask("why did light.hall turn on at 03:12")
    walk.click("a", has_text="show the run")
    return "main", ["light.turn_on", "off → on"]


def which_app_makes_the_most_noise(walk: Walk) -> tuple[str, list[str]]:
    walk.week()
    walk.menu("Apps")
    return "main", ["motion_light", "climate_guard"]


def logs_around_a_failure(walk: Walk) -> tuple[str, list[str]]:
    walk.week()
    walk.click("#attention a.problem", has_text="CallFailedError")
    walk.click("a[href*='/runs/']")
    expected = ["Checking 4 lights and 2 doors", "light.living_room was forgotten", "Provided temperature 3.0"]
    return "[aria-labelledby=waterfall-title]", expected


def what_changed_since_an_edit(walk: Walk) -> tuple[str, list[str]]:
    walk.menu("Apps")
    walk.click("a[href*='/apps/night_round']")
    walk.click("a", has_text="runs of this version")
    return "main", ["night_round", "check", "CallFailedError"]


def what_will_run_next(walk: Walk) -> tuple[str, list[str]]:
    return "#upcoming", ["room_climate period_2", "17:00", "night_round check", "02:30"]


QUESTIONS: tuple[Callable[[Walk], tuple[str, list[str]]], ...] = (
    why_did_it_turn_on,
    why_did_it_not_turn_on,
    what_failed_today,
    which_handler_got_slower,
    did_the_job_run,
    was_the_framework_up,
    who_else_reacted,
    what_did_this_run_change,
    which_app_makes_the_most_noise,
    logs_around_a_failure,
    what_changed_since_an_edit,
    what_will_run_next,
)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    # Playwright runs an event loop in this thread, and the past has its own.
    with time_of_the_demo(), ThreadPoolExecutor(1) as thread:
        history = thread.submit(DemoHistory, tmp_path / "history").result()
        with history.served() as url:
            yield url


def test_each_question_has_its_answer_within_three_clicks(chromium: Any, address: str) -> None:
    # One test for all questions, because the history takes seconds.
    names = [question.__name__.replace("_", "-") for question in QUESTIONS]
    assert sorted(names) == [path.stem for path in pages()]
    folder = os.environ.get("HASSETTE_HOW_TO_PICTURES")
    looks = LOOKS if folder and Path(folder).name != "how-to" else {"": LOOKS[""]}
    for look, (width, color) in looks.items():
        context = chromium.new_context(viewport={"width": width, "height": PICTURE_HEIGHT}, color_scheme=color)
        context.set_default_timeout(patience(20) * 1_000)
        context.clock.set_fixed_time(NOW)
        page = context.new_page()
        for name, question in zip(names, QUESTIONS, strict=True):
            walk = Walk(page, address)
            place, expected = question(walk)
            text = " ".join(page.locator(place if place != "#answer" else "main").inner_text().split())
            assert [part for part in expected if part not in text] == [], f"{name}: {text}"
            assert walk.clicks <= MAX_CLICKS, name
            if folder:
                # A picture begins with the navigation, or with the card of the answer.
                margin = 70 if place == "main" else 16
                page.locator(place).evaluate(
                    f"one => scrollTo(0, one.getBoundingClientRect().top + scrollY - {margin})"
                )
                page.screenshot(path=Path(folder) / f"{name}{look}.png")
        context.close()
