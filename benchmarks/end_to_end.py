"""Measure the cost of an event from the socket of Home Assistant to the handler, compared with a floor and with peers.

    python benchmarks/end_to_end.py [--quick] [--without-lists] [--peer-python PATH]

Exits with 1 if a target is missed. CI machines are noisy: with --quick, the limits are 50 % above the targets, and no
other framework takes part.

This process is a fake Home Assistant. Each contender is a separate process with 100 listeners, each for one entity.
The floor is the least possible client: aiohttp, the standard library's JSON, a dictionary of states, and a task for
each event that has a handler. The contenders take short turns, so that the load of the machine affects all alike. The
figures are CPU time of the whole process, and include the work after the handler, such as the writes of the history.

The cost of an event with one listener, in µs of CPU time (Python 3.11, best turns; the floor takes 21):

| part | µs |
|---|---|
| socket, event loop, and records on their way to the write queue | 12 |
| decoding | 6 |
| states, search of the listener, trigger, and start of the task of the run | 9 |
| run and its record | 5 |
| encoding of the row and its statistics | 5 |
| SQLite: the row, its index, and statistics by hour and day | 8 |

At 5 events per second, the same code takes about ten times as long, because each wake-up finds cold caches. A third of
the time is the write of a batch of three records every 0.6 s, which takes 0.9 ms. For a batch, the thread that writes
waits twice, and the event loop once. The thread that checks for a blocked event loop waits 0.4 times for an event.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from contenders.fake_home import FakeHome

CONTENDERS = Path(__file__).parent / "contenders"
BATCH = 200
"""Events of one batch. The next batch is sent when the contender has reported the last event of the batch before."""
AT_ONCE = 2
SETTLE_S = 0.7
"""Pause at the end of a turn. The history is written within half a second."""
QUICK_TOLERANCE = 1.5
OURS, MANY = "ours", "ours, 10,000 listeners"
ONE_LISTENER = "CPU µs for an event with one listener, as many as possible"
NO_LISTENER = "CPU µs for an event without a listener, as many as possible"
QUIET = "CPU µs for an event, 5 events per second"
WAITS = "waits of all threads for an event, 5 events per second"
PEERS = {"hassette": "hassette==0.60.0", "appdaemon": "appdaemon==4.5.13"}
FLOOD_RATES = (5_000, 4_000, 3_000, 2_000, 1_000)
FLOOD_P99_MS = 10
Figures = dict[str, dict[str, list[float]]]


@dataclass
class Contender:
    """One process that connects to the fake home.

    Attributes:
        name: The name in the printed table. It is also the token.
        command: The command that starts the process.
        listeners: Number of listeners.
        batches: Number of batches of `BATCH` events in one turn.
    """

    name: str
    command: list[str]
    listeners: int = 100
    batches: int = 10


def ours(name: str, *options: str, listeners: int = 100) -> Contender:
    return Contender(name, [sys.executable, str(CONTENDERS / "ours.py"), *options], listeners)


def peer_environment(name: str, requirement: str, interpreter: str) -> Path | None:
    """Install another framework into its own environment. Return its Python, or None if that fails.

    Args:
        name: Name of the framework's package.
        requirement: The framework and its version.
        interpreter: The Python of the environment. hassette 0.60.0 cannot be imported with Python 3.11.7.
    """
    folder = Path(__file__).parents[1] / ".nox" / f"peer-{name}"
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([interpreter, "-m", "venv", folder], check=True, capture_output=True)
        subprocess.run([python, "-m", "pip", "install", "-q", requirement], check=True, capture_output=True)
        subprocess.run([python, "-c", f"import {name}"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)  # so that the next call can use another Python
        print(f"  {requirement} takes no part, because {interpreter} could not install or import it: {error}")
        print("  Name another Python with the option --peer-python PATH.")
        return None
    return python


def installed_peers(interpreter: str) -> list[Contender]:
    """Return the other frameworks, each in its own environment. Frameworks that cannot be installed are left out.

    Args:
        interpreter: The Python of the environments.
    """
    found: list[Contender] = []
    for name, requirement in PEERS.items():
        python = peer_environment(name, requirement, interpreter)
        if python is not None:
            found.append(Contender(requirement, [str(python), str(CONTENDERS / f"{name}_peer.py")], batches=2))
    return found


FLOOR = Contender("floor", [sys.executable, str(CONTENDERS / "floor.py")])


class Course:
    """Starts the contenders and measures them."""

    def __init__(self, home: FakeHome) -> None:
        self._home = home
        self._processes: list[subprocess.Popen[bytes]] = []

    async def start(self, contender: Contender, timeout_s: float = 60) -> dict[str, Any]:
        """Start a contender, and return its first report, which it sends when it is ready."""
        environment = {
            **os.environ,
            "CONTENDER": contender.name,
            "CONTENDER_HOME": self._home.url,
            "CONTENDER_TOKEN": contender.name,
            "CONTENDER_LISTENERS": str(contender.listeners),
            "CONTENDER_REPORT_PORT": str(self._home.report_port),
            "PYTHONPATH": os.pathsep.join([str(CONTENDERS), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        self._spawn(contender.command, environment)
        return await self._home.report_of(contender.name, timeout_s)

    def _spawn(self, command: list[str], environment: dict[str, str]) -> None:
        self._processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))

    def stop(self) -> None:
        """Stop all contenders."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(15)

    async def mark(self, contender: Contender) -> dict[str, Any]:
        """Send one event, and return the report of its handler."""
        await self._home.clients[contender.name].send(1, report=True)
        return await self._home.report_of(contender.name, 60)

    async def turn(self, contender: Contender, work: Callable[[], Awaitable[int]]) -> tuple[float, int]:
        """Do some work with a contender. Return its CPU time per event in microseconds, and its waits per event."""
        before = await self.mark(contender)
        count = await work()
        await asyncio.sleep(SETTLE_S)
        after = await self.mark(contender)
        return (after["cpu_ns"] - before["cpu_ns"]) / 1e3 / count, (after["switches"] - before["switches"]) / count

    async def saturate(self, contender: Contender, *, noise: bool) -> int:
        """Send batches without a pause. Return the number of events."""
        client = self._home.clients[contender.name]
        for sent in range(contender.batches):
            if sent >= AT_ONCE:
                await self._home.report_of(contender.name, 60)
            await client.send(1 if noise else BATCH, noise=BATCH - 1 if noise else 0, report=True)
        for _ in range(min(AT_ONCE, contender.batches)):
            await self._home.report_of(contender.name, 60)
        return contender.batches * BATCH

    async def pace(self, contender: Contender, per_second: float, seconds: float) -> int:
        """Send one event after another at equal distances. Return the number of events."""
        loop = asyncio.get_running_loop()
        began, count = loop.time(), round(per_second * seconds)
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))
            await self._home.clients[contender.name].send(1)
        return count

    async def flood(self, contender: Contender, per_second: int, seconds: float) -> dict[str, Any]:
        """Send events at a high rate, in steps of a few milliseconds. Return the report at the end."""
        before = await self.mark(contender)
        loop = asyncio.get_running_loop()
        client, began, sent = self._home.clients[contender.name], loop.time(), 0
        while sent < per_second * seconds:
            due = min(int((loop.time() - began) * per_second), int(per_second * seconds)) - sent
            if due > 0:
                await client.send(due)
                sent += due
            await asyncio.sleep(0.001)
        report = await self.mark(contender)
        return {**report, "lost": sent + 1 - (report["handled"] - before["handled"]), "seconds": loop.time() - began}


@asynccontextmanager
async def running(home: FakeHome, contenders: list[Contender]) -> AsyncGenerator[Course]:
    """Start the contenders, and stop them at the end."""
    course = Course(home)
    try:
        for contender in contenders:
            began = time.monotonic()
            report = await course.start(contender)
            print(
                f"  {contender.name:26} ready after {time.monotonic() - began:4.1f} s,"
                f" {report['cpu_ns'] / 1e9:5.2f} s of CPU time, {report['rss_kb'] / 1024:4.0f} MB"
            )
        yield course
    finally:
        course.stop()


class Figure(NamedTuple):
    """A measured value and its target."""

    text: str
    value: float
    target: float


async def measure(contenders: list[Contender], rounds: int, paced_s: float, *, coalesces: bool) -> Figures:
    """Measure all contenders in turns. Return the figures by kind and contender."""
    figures: Figures = defaultdict(lambda: defaultdict(list))
    home = FakeHome({contender.name: contender.listeners for contender in contenders}, coalesces=coalesces)
    async with home.running(), running(home, contenders) as course:
        for contender in list(contenders):  # warm caches, and let the start of the contender end
            await course.turn(contender, lambda c=contender: course.saturate(c, noise=True))
            await course.turn(contender, lambda c=contender: course.saturate(c, noise=False))
        for _ in range(rounds):
            for kind in (ONE_LISTENER, NO_LISTENER):
                for contender in contenders:
                    noise = kind is NO_LISTENER
                    cost, _ = await course.turn(contender, lambda c=contender, n=noise: course.saturate(c, noise=n))
                    figures[kind][contender.name].append(cost)
        for _ in range(2):
            for contender in contenders:
                cost, waits = await course.turn(contender, lambda c=contender: course.pace(c, 5, paced_s))
                figures[QUIET][contender.name].append(cost)
                figures[WAITS][contender.name].append(waits)
    return figures


async def highest_rate(p99_ms: float, search_s: float, seconds: float) -> tuple[int, int]:
    """Search the highest rate at which 99 % of the events reach one of 250 handlers in time.

    Args:
        p99_ms: The time limit, in milliseconds.
        search_s: How long each rate is tried, in seconds.
        seconds: How long a rate is kept that has passed the trial.

    Returns:
        The rate, 0 if there is none, and the number of lost events of all trials.
    """
    contender = ours(OURS, listeners=250)
    home = FakeHome({contender.name: contender.listeners}, coalesces=True)
    lost = 0
    async with home.running(), running(home, [contender]) as course:
        await course.turn(contender, lambda: course.saturate(contender, noise=False))
        for rate in FLOOD_RATES:
            for duration_s in dict.fromkeys((search_s, seconds)):
                report = await course.flood(contender, rate, duration_s)
                lost += report["lost"]
                p50, p99, p999 = (delay / 1e6 for delay in report["delays_ns"])
                print(
                    f"  {rate:6,} per second for {report['seconds']:.0f} s: {report['lost']} lost, p50 {p50:.1f} ms,"
                    f" p99 {p99:.1f} ms, p99.9 {p999:.1f} ms, longest {report['longest_ns'] / 1e6:.0f} ms"
                )
                if p99 >= p99_ms:
                    break
            else:
                return rate, lost
    return 0, lost


def compared(figures: Figures, rounds: int) -> list[Figure]:
    """Print the figures, and return those with a target."""
    for kind, by_name in figures.items():
        print(f"{kind} (median of {rounds if kind in (ONE_LISTENER, NO_LISTENER) else 2} turns)")
        floor = statistics.median(by_name[FLOOR.name])
        for name, values in by_name.items():
            figure = statistics.median(values)
            print(f"  {name:26} {figure:9.1f}  {figure / floor:7.2f} x the floor, best {min(values):9.1f}")

    def ratio(kind: str, name: str = OURS, base: str = FLOOR.name) -> float:
        of = figures[kind]
        return statistics.median(a / b for a, b in zip(of[name], of[base], strict=True))

    return [
        Figure("an event with one listener takes {:.2f} x the floor", ratio(ONE_LISTENER), 2),
        Figure("an event without a listener takes {:.2f} x the floor", ratio(NO_LISTENER), 1.3),
        Figure("5 events per second take {:.2f} x the floor", ratio(QUIET), 2),
        Figure("10,000 listeners take {:.2f} x the time of 100", ratio(ONE_LISTENER, MANY, OURS), 1.25),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and no peers, for CI")
    parser.add_argument("--without-lists", action="store_true", help="send each message in its own frame")
    parser.add_argument("--peer-python", default=sys.executable, help="the Python of the other frameworks")
    arguments = parser.parse_args()
    quick = arguments.quick
    rounds = 4 if quick else 15
    contenders = [FLOOR, ours(OURS), ours("ours, core alone", "core"), ours(MANY, listeners=10_000)]
    if not quick:
        contenders += installed_peers(arguments.peer_python)
    found = asyncio.run(measure(contenders, rounds, 3 if quick else 10, coalesces=not arguments.without_lists))
    figures = compared(found, rounds)
    print("events at a high rate, from the time at which the home sends them until the handler begins")
    if quick:
        rate, lost = asyncio.run(highest_rate(FLOOD_P99_MS * QUICK_TOLERANCE, 3, 3))
    else:
        rate, lost = asyncio.run(highest_rate(FLOOD_P99_MS, 10, 60))
    print(f"the p99 is short enough up to {rate:,} events per second (target: >= {FLOOD_RATES[-1]:,})")
    figures.append(Figure("{:.0f} of the events at a high rate are lost", lost, 0))
    missed = [] if rate else [f"the p99 is above {FLOOD_P99_MS} ms at {FLOOD_RATES[-1]:,} events per second"]
    for text, value, target in figures:
        limit = target * QUICK_TOLERANCE if quick else target
        print(f"{text.format(value)} (target: <= {target:g}, limit {limit:g})")
        if value > limit:
            missed.append(text.format(value))
    if missed:
        sys.exit(f"target missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
