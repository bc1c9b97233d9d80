"""Measure the cost of an event from the socket of Home Assistant to the handler, compared with a floor and with peers.

    python benchmarks/end_to_end.py [--quick]

Exits with 1 if a target is missed. CI machines are noisy: with --quick, the limits are 50 % above the targets, and no
other framework takes part.

This process is a fake Home Assistant. Each contender is a separate process with 100 listeners, each for one entity.
The floor is the least possible client: aiohttp, the standard library's JSON, a dictionary of states, and a task for
each event that has a handler. The contenders take short turns, so that the load of the machine affects all alike. The
figures are CPU time of the whole process, and include the work after the handler, such as the writes of the history.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contenders.fake_home import FakeHome

CONTENDERS = Path(__file__).parent / "contenders"
BATCH = 200
"""Events of one batch. The next batch is sent when the contender has reported the last event of the batch before."""
AT_ONCE = 2
SETTLE_S = 0.7
"""Pause at the end of a turn. The history is written within half a second."""
QUICK_TOLERANCE = 1.5


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
    env: dict[str, str] = field(default_factory=dict)


def ours(name: str, *options: str, listeners: int = 100) -> Contender:
    return Contender(name, [sys.executable, str(CONTENDERS / "ours.py"), *options], listeners)


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
            **contender.env,
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
async def running(home: FakeHome, contenders: list[Contender]) -> AsyncIterator[Course]:
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


async def compare(
    contenders: list[Contender], rounds: int, paced_s: float, *, coalesces: bool
) -> dict[str, dict[str, list[float]]]:
    """Measure all contenders in turns. Return the figures by kind and contender."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    home = FakeHome({contender.name: contender.listeners for contender in contenders}, coalesces=coalesces)
    async with home.running(), running(home, contenders) as course:
        for contender in contenders:  # warm caches, and let the start of the contender end
            await course.turn(contender, lambda c=contender: course.saturate(c, noise=True))
            await course.turn(contender, lambda c=contender: course.saturate(c, noise=False))
        for _ in range(rounds):
            for noise in (False, True):
                for contender in contenders:
                    cost, _ = await course.turn(contender, lambda c=contender, n=noise: course.saturate(c, noise=n))
                    figures["no listener" if noise else "one listener"][contender.name].append(cost)
        for _ in range(2):
            for contender in contenders:
                cost, waits = await course.turn(contender, lambda c=contender: course.pace(c, 5, paced_s))
                figures["5 events/s"][contender.name].append(cost)
                figures["5 events/s, waits"][contender.name].append(waits)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    parser.add_argument("--without-coalescing", action="store_true")
    arguments = parser.parse_args()
    quick = arguments.quick
    contenders = [
        FLOOR,
        ours("ours"),
        ours("ours, core alone", "core"),
        ours("ours, 10,000 listeners", listeners=10_000),
    ]
    figures = asyncio.run(compare(contenders, 5 if quick else 15, 4, coalesces=not arguments.without_coalescing))
    for kind, by_name in figures.items():
        print(kind)
        floor = statistics.median(by_name["floor"])
        for name, values in by_name.items():
            figure = statistics.median(values)
            print(f"  {name:26} {figure:8.1f}  {figure / floor:6.2f} x, best {min(values):8.1f}")


if __name__ == "__main__":
    main()
