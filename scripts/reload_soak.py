"""Reload an app hundreds of times under load, and check that nothing is lost, doubled or leaked.

    python scripts/reload_soak.py [--reloads 500] [--events-per-second 200] [--every-s 0.1] [--watch] [--history]

A sensor changes all the time. A listener of the app runs at each change, a slow listener is running during most
reloads, a job runs at an interval, and each tenth change starts a timer. Each reload loads a new version of the code.
Each tenth version is broken: a wrong syntax, an import that fails, or an ``on_initialize`` that fails.

The script exits with 1 if

- a change led to no run of a listener, or to several runs,
- a timer was lost or ran twice, or a slot of the job was,
- a broken version stopped the older one, or a good version was not loaded,
- modules or objects of old versions remain in memory,
- the resident memory grows by more than the target after the first quarter of the reloads.

With ``--history``, the runs are also stored in a history, whose caches fill during the soak. With ``--watch``, the
watch notices the files, as after a save in an editor. This takes about a second for each reload. Otherwise the script
asks for each reload as soon as the file is written. The script runs only on Linux.
"""

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hassette_core import App, Hassette, SimulatedHome, load_config
from hassette_core.simulation.home.model.history import MAX_ROWS
from hassette_executor import Batch, DueTrigger, EventTrigger, Record, Status

TARGET_MB_PER_100_RELOADS = 1.0
TARGET_WITH_HISTORY = 2.0
WARM_UP_SHARE = 0.25
SAMPLE_EVERY = 10
WAIT_S = 60.0
INTERVAL_S = 0.25
OLD_VERSIONS = 3
"""How many versions of the class may be in memory: the current one, and versions that ended last."""
LIBC = ctypes.CDLL(None)
CONFIG = """
[hassette]
app_dir = "{folder}/apps"
data_dir = "{folder}/data"

[home_assistant]
url = "{url}"
token = "{token}"

[apps.load]
module = "load"
class = "LoadApp"
{sync}
"""
VERSION = """
import asyncio
from hassette_core import App, AppConfig, NewState
{first}

class LoadApp(App[AppConfig]):
    version = {version}

    async def on_initialize(self):
        self.bus.on_state_change(self.quick, "sensor.soak")
        self.bus.on_state_change(self.slow, "sensor.soak")
        self.scheduler.run_every(self.tick, {interval})
        {last}

    async def quick(self, new: NewState):
        if int(new.state) % 10 == 0:
            self.scheduler.run_in(self.later, 0.4, kwargs={{"number": new.state}})

    async def slow(self):
        await asyncio.sleep(0.05)

    async def tick(self): ...

    async def later(self, number):
        self.logger.warning("later %s", number)
"""
FAULTS: list[dict[str, str]] = [
    {"first": "this is no Python"},
    {"first": "import no_such_module"},
    {"last": "raise LookupError('broken')"},
    {"last": "await asyncio.to_thread(int, 'x')"},
]


def code(version: int, *, first: str = "", last: str = "") -> str:
    """Return the code of a version of the app."""
    return VERSION.format(version=version, first=first, last=last, interval=INTERVAL_S)


class Ledger:
    """Sink that counts the runs of each listener by the change, of the job by its slot, and of each timer."""

    def __init__(self) -> None:
        self.changes: dict[str, Counter[int]] = {"quick": Counter(), "slow": Counter()}
        self.slots: Counter[int] = Counter()
        self._first_us = 0
        self.timers: Counter[int] = Counter()
        self.not_runs: Counter[str] = Counter()
        self.failed: list[str] = []
        self._last_id = self._sequence = 0

    async def write(self, batch: Batch) -> None:
        """Count the content of a batch, unless the batch is a retry."""
        if batch.sequence <= self._sequence:
            return
        self._sequence = batch.sequence
        for record in batch.records():
            self._last_id = max(self._last_id, record.id)
            if record.status is not Status.SUCCESS:
                self.failed.append(f"{record.registration.name}: {record.status.value} {record.failure}")
            self._count(record)
        for skip in batch.skipped:
            self.not_runs[f"{skip.registration.name} {skip.reason}"] += skip.count

    def _count(self, record: Record) -> None:
        name, trigger = record.registration.name, record.trigger
        if isinstance(trigger, EventTrigger):
            self.changes[name][int(trigger.new_state or -1)] += 1
        elif isinstance(trigger, DueTrigger) and name == "tick":
            self._first_us = min(self._first_us or trigger.due_us, trigger.due_us)
            self.slots[round((trigger.due_us - self._first_us) / (INTERVAL_S * 1e6))] += 1
        for line in record.effects.log_lines if record.effects is not None else ():
            if line.message.startswith("later "):
                self.timers[int(line.message.split()[1])] += 1

    async def last_id(self) -> int:
        """Return the highest id of all records received so far."""
        return self._last_id

    def problems(self, changes: int) -> list[str]:
        """Return the lost and doubled runs and timers after ``changes`` changes."""
        found = [f"failed run: {each}" for each in self.failed[:5]]
        wanted = {
            **{f"runs of {name}": (counts, range(changes)) for name, counts in self.changes.items()},
            "timers": (self.timers, range(0, changes, 10)),
            "slots": (self.slots, self._all_slots()),
        }
        for what, (counts, all_of_them) in wanted.items():
            lost = [each for each in all_of_them if not counts[each]]
            doubled = [each for each, count in counts.items() if count > 1]
            if what != "slots" or len(lost) != self.not_runs["tick misfire"]:
                found += [f"{len(lost)} lost {what}: {lost[:5]}"] * bool(lost)
            found += [f"{len(doubled)} doubled {what}: {doubled[:5]}"] * bool(doubled)
        # A slot that passes while the machine is too slow for the job is reported as not run, and so is not lost.
        found += [f"not run: {each} × {count}" for each, count in self.not_runs.items() if each != "tick misfire"]
        return found

    def _all_slots(self) -> range:
        return range(max(self.slots, default=-1) + 1)


class Soak:
    """A running framework, its app, and the load.

    Args:
        options: The options of the command line.
        folder: The directory of the app, the configuration and the history.
        home: The simulated home.
        hassette: The framework.
        ledger: The sink.
    """

    def __init__(
        self, options: argparse.Namespace, folder: Path, home: SimulatedHome, hassette: Hassette, ledger: Ledger
    ) -> None:
        self._options = options
        self._file = folder / "apps/load.py"
        self._home = home
        self._hassette = hassette
        self._ledger = ledger
        self._changes = 0
        self._refused = 0
        self.problems: list[str] = []
        self.samples: list[tuple[int, float]] = []
        self.durations_s: list[float] = []

    async def run(self) -> None:
        """Reload, and check the counts at the end."""
        load = asyncio.create_task(self._change_the_sensor())
        good = 0
        for version in range(1, self._options.reloads + 1):
            fault = FAULTS[version // 10 % len(FAULTS)] if version % 10 == 0 else {}
            await self._reload(code(version, **fault), version, broken=bool(fault))
            if not fault:
                good = version
            if self._app().version != good:
                self.problems.append(f"version {self._app().version} runs after version {version}, expected {good}")
            if version % SAMPLE_EVERY == 0:
                self._sample(version)
            await asyncio.sleep(self._options.every_s)
        load.cancel()
        await asyncio.wait({load})
        await self._settle()
        self.problems += self._ledger.problems(self._changes)
        self._check_memory()

    def _app(self) -> Any:
        return self._hassette.apps.running.get("load")

    async def _change_the_sensor(self) -> None:
        began = time.monotonic()
        while True:
            due = int((time.monotonic() - began) * self._options.events_per_second)
            while self._changes < due:
                self._home.core.set("sensor.soak", str(self._changes))
                self._changes += 1
            await asyncio.sleep(0.002)

    async def _reload(self, text: str, version: int, *, broken: bool) -> None:
        reload = self._hassette.hot_reload
        assert reload is not None
        before = self._app()
        self._file.write_text(text)
        began = time.monotonic()
        if not self._options.watch:
            await reload.reload()
        elif broken:
            await asyncio.sleep(2)  # a broken version has no sign in the app
        else:
            await self._until(lambda: self._app() is not before, f"reload of version {version}")
        if not broken:
            self.durations_s.append(time.monotonic() - began)

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > ends:
                self.problems.append(f"not seen within {WAIT_S:g} s: {what}")
                return
            await asyncio.sleep(0.01)

    async def _settle(self) -> None:
        last = range(0, self._changes, 10)[-1]
        await self._until(lambda: self._ledger.timers[last] > 0, "the last timer")
        await self._until(lambda: self._ledger.changes["slow"][self._changes - 1] > 0, "the last slow run")
        await self._hassette.executor.force_flush()

    def _sample(self, version: int) -> None:
        gc.collect()
        LIBC.malloc_trim(0)
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.samples.append((version, resident))
        print(
            f"reloads={version} rss_mb={resident:.1f} blocks={sys.getallocatedblocks()} changes={self._changes}"
            f" versions={len(versions_in_memory())} modules={sum('load' in name for name in sys.modules)}",
            flush=True,
        )

    def _check_memory(self) -> None:
        gc.collect()
        if len(found := versions_in_memory()) > OLD_VERSIONS:
            self.problems.append(f"{len(found)} versions of the app are in memory: {found}")
        steady = self.samples[int(len(self.samples) * WARM_UP_SHARE) :]
        if len(steady) > 4:
            slope = statistics.linear_regression(*zip(*steady, strict=True)).slope * 100
            print(f"rss_mb: {steady[0][1]:.1f} -> {steady[-1][1]:.1f}, {slope:+.2f} per 100 reloads")
            target = TARGET_WITH_HISTORY if self._options.history else TARGET_MB_PER_100_RELOADS
            if slope > target:
                self.problems.append(f"memory grows by {slope:.2f} MB per 100 reloads, the target is {target:g} MB")

    def summary(self) -> str:
        """Return the figures."""
        accounting = self._hassette.executor.accounting()
        median_ms = statistics.median(self.durations_s) * 1e3
        return (
            f"{self._options.reloads} reloads, {self._changes} changes, {accounting.executed} runs,"
            f" {len(self._ledger.slots)} slots ({self._ledger.not_runs['tick misfire']} reported as misfires),"
            f" {len(self._ledger.timers)} timers; a reload takes {median_ms:.0f} ms (median),"
            f" {max(self.durations_s) * 1e3:.0f} ms (longest)"
        )


def versions_in_memory() -> list[int]:
    """Return the versions of the app whose class is still in memory."""
    return sorted(vars(each)["version"] for each in App.__subclasses__() if each.__name__ == "LoadApp")


@asynccontextmanager
async def running(options: argparse.Namespace, folder: Path) -> AsyncIterator[Soak]:
    """Run the framework with the first version of the app."""
    (folder / "apps").mkdir()
    (folder / "apps/load.py").write_text(code(0))
    file, ledger = folder / "hassette.toml", Ledger()
    async with SimulatedHome(speed=0, empty=True) as home:
        for number in range(MAX_ROWS):  # fills the history of the home, which would otherwise grow during the soak
            home.core.set("sensor.soak", f"{number - MAX_ROWS}")
        sync = "[sync]\nport = 0\n" if options.history else ""
        file.write_text(CONFIG.format(folder=folder, url=home.url, token=home.token, sync=sync))
        hassette = Hassette(
            load_config(file), sinks=[ledger], plugins=options.history, reload=lambda: load_config(file)
        )
        async with hassette:
            await hassette.wait_ready()
            yield Soak(options, folder, home, hassette, ledger)


async def soak(options: argparse.Namespace, folder: Path) -> list[str]:
    """Run the soak, print the figures, and return the problems."""
    async with running(options, folder) as found:
        await found.run()
        print(found.summary())
    return found.problems


def main() -> None:
    """Run the soak with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=500)
    parser.add_argument("--events-per-second", type=float, default=200)
    parser.add_argument("--every-s", type=float, default=0.1)
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--history", action="store_true")
    options = parser.parse_args()
    logging.raiseExceptions = False
    logging.getLogger().addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as folder:
        problems = asyncio.run(soak(options, Path(folder)))
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
