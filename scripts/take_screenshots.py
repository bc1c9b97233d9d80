"""Take pictures of the web pages: the README's picture, or each page in all sizes and colours.

Usage: python scripts/take_screenshots.py                 # docs/images/overview.png
       python scripts/take_screenshots.py --all FOLDER    # each page, wide and narrow, light and dark

The pages show a simulated day (support/plausible_history.py) and a live feed. `support` is a link to tests/support. The
script needs Chromium, hassette-sync[web] and the dependency group ``browser``.
"""

import argparse
import asyncio
import contextlib
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from playwright.async_api import Browser, async_playwright

from hassette_sync import DataSyncService, MemoryFeed, RunFilter
from hassette_sync.live import MemorySnapshot
from hassette_sync.plugin import create_web_service
from hassette_sync.settings import WebSettings
from hassette_sync.web.menu import MENU
from support.history import DAY, HOUR, MINUTE, SECOND
from support.plausible_history import plausible

ROOT = Path(__file__).resolve().parents[1]
README_PICTURE = ROOT / "docs" / "images" / "overview.png"
README_SIZE = {"width": 1240, "height": 1180}
WIDTHS = {"wide": 1440, "narrow": 360}
COLORS = ("light", "dark")


async def main(folder: Path | None, chromium: str) -> None:
    """Write the README's picture, or all pictures to a folder."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "hassette.db"
        async with serve(path, with_markup=folder is not None) as (url, data), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            if folder is None:
                await take_readme_picture(browser, url)
            else:
                await take_all(browser, url, await pages(data), folder)
            await browser.close()


@contextlib.asynccontextmanager
async def serve(path: Path, *, with_markup: bool) -> AsyncIterator[tuple[str, DataSyncService]]:
    """Serve the pages of a simulated day. ``with_markup`` adds names and texts that contain HTML."""
    plausible(path, hostile=with_markup)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        # No process writes heartbeats here. Without a later heartbeat, the last pictures would show a silent session.
        later_us = int(time.time() * SECOND) + MINUTE
        database.execute("UPDATE sessions SET heartbeat_us = ? WHERE ended_us IS NULL", (later_us,))
    data = DataSyncService(path, MemoryFeed())
    data.live.state = state(int(time.time() * SECOND))
    async with create_web_service(data, WebSettings(port=0)) as service:
        assert service.url is not None
        yield service.url.rstrip("/"), data


def state(now_us: int) -> MemorySnapshot:
    """Return the live state of a framework with one running job and four planned jobs."""
    full_hour_us = now_us // HOUR * HOUR + HOUR
    half_past_three_us = (now_us - 7 * HOUR // 2) // DAY * DAY + DAY + 7 * HOUR // 2
    planned = [
        ("motion_light", "hall", "turn_off", now_us + 55 * SECOND),
        ("climate_guard", "default", "check_windows", now_us + 3 * MINUTE),
        ("energy", "default", "hourly_report", full_hour_us),
        ("backup", "default", "nightly_backup", half_past_three_us),
    ]
    registration = SimpleNamespace(
        app="climate_guard", instance="climate_guard", name="check_windows", schedule="every 5 min"
    )
    trigger = SimpleNamespace(due_us=now_us - 2 * SECOND, manual=False)
    return MemorySnapshot(
        ready=True,
        connection="connected",
        services=[
            SimpleNamespace(name=name, status="running", detail="")
            for name in ("store", "bus", "scheduler", "home_assistant", "apps", "sync")
        ],
        running=[SimpleNamespace(registration=registration, trigger=trigger, started_us=now_us - 2 * SECOND)],
        upcoming=[
            SimpleNamespace(app=app, instance=instance, name=name, due_us=due_us)
            for app, instance, name, due_us in sorted(planned, key=lambda job: job[3])
        ],
    )


async def take_readme_picture(browser: Browser, url: str) -> None:
    """Write the README's picture."""
    page = await browser.new_page(viewport=README_SIZE, color_scheme="light")
    await page.goto(url)
    await page.locator("#connection[data-state=on]").wait_for()
    await page.screenshot(path=README_PICTURE)
    print(f"wrote {README_PICTURE}")


async def pages(data: DataSyncService) -> dict[str, str]:
    """Return the URL path of each page, by the name of its picture."""
    run = (await data.runs(RunFilter(app="motion_light", text="kitchen"))).runs[0]
    failed = (await data.runs(RunFilter(app="climate_guard", status="failed"))).runs[0]
    return {
        **{entry.title.lower(): entry.path for entry in MENU},
        "app": "/apps/motion_light",
        "why": "/why?entity=light.kitchen",
        "not-run": "/not-run",
        "household": "/home",
        "handler": "/registrations/4",
        "failed-runs": "/runs?status=failed",
        "error": "/errors/1",
        "run": f"/runs/{run.id}",
        "failed-run": f"/runs/{failed.id}",
        "all-events": "/events?routine=yes",
        "not-found": "/runs/1",
        "no-runs": "/runs?text=no+such+run",
        "login": "/login",
    }


async def take_all(browser: Browser, url: str, paths: dict[str, str], folder: Path) -> None:
    """Write a picture of each page in each size and colour; report pages that are wider than the window."""
    for size, width in WIDTHS.items():
        for color in COLORS:
            scheme: Any = color
            page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            for name, path in paths.items():
                await page.goto(url + path)
                await page.screenshot(path=folder / f"{name}-{size}-{color}.png", full_page=True)
                if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    print(f"{name}-{size}-{color} is wider than the window")
            await page.close()
    print(f"wrote pictures of {len(paths)} pages to {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take pictures of the web pages.")
    parser.add_argument(
        "--all",
        type=Path,
        metavar="FOLDER",
        help="write pictures of all pages to this folder",
    )
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="PATH", help="the browser")
    arguments = parser.parse_args()
    if arguments.all:
        arguments.all.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(arguments.all, arguments.chromium))
