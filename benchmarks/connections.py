"""Measure the pages and the handlers while 10,000 half-open connections attack the pages and 50 clients are live.

    python benchmarks/connections.py [--quick]

Exits with 1 if a target is missed. CI machines are noisy: with --quick, the latency may be 50 % above its target.

The framework, with history and pages, is a separate process. So is the attacker: it opens 1,000 connections per second
until 10,000 are open, sends half a request line on each, and replaces connections that the framework closes.
Each round has a quiet turn and an attacked turn, so that the load of the machine affects both alike. In each turn, the
home sends 20 events per second to handlers, and a visitor opens the overview ten times per second, each time on a new
connection. The clients of the live stream are connected only in the attacked turn.

- The time of a page includes all attempts of the visitor, as a connection may be closed before its request arrives.
- The latency of a handler is the time from the moment at which the home sends an event until the handler begins. To
  accept and close a connection takes about 0.2 ms of the event loop, and an event passes the loop a few times before
  its handler begins. So the median may grow by 1 ms, which people do not notice at a light. The ratio and the p99
  are printed without a target: attacker, visitor and home use the same cores as the framework.
- The descriptors may exceed those of the quiet turn by the limit on connections and a few for readers of the history.

The last turn has no target: the attacker replaces connections as fast as it can, and keeps one core busy.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import websockets
from contenders.fake_home import FakeHome
from end_to_end import CONTENDERS, OURS, QUICK_TOLERANCE, Contender, Course, ours, running

from hassette_sync.web.connections import ConnectionLimits

HALF_OPEN, LIVE_CLIENTS = 10_000, 50
ATTEMPTS_PER_S = 1_000
EVENTS_PER_S = 20
VISIT_EVERY_S = 0.1
WARM_UP_S = 2.0
PAGE_TARGET_S, ADDED_TARGET_MS = 1.0, 1.0
READER_DESCRIPTORS = 16


@dataclass
class Turn:
    """Figures of one turn.

    Attributes:
        pages_s: Times of the pages, in seconds.
        retries: Number of attempts of the visitor that failed.
        p50_ms: Median latency of the handlers, in milliseconds.
        p99_ms: Their 99th percentile, in milliseconds.
        cpu: Share of one core that the framework uses.
        descriptors: Highest number of open descriptors of the framework.
        attack: Counts of the attacker; empty in a quiet turn.
    """

    pages_s: list[float]
    retries: int
    p50_ms: float
    p99_ms: float
    cpu: float
    descriptors: int
    attack: dict[str, int]


class Visitor:
    """Opens the overview again and again, and watches the descriptors of the framework."""

    def __init__(self, address: str, pid: int) -> None:
        self.pages_s: list[float] = []
        self.retries = 0
        self.descriptors = 0
        self._address = address
        self._folder = Path(f"/proc/{pid}/fd")

    async def visit(self) -> None:
        while True:
            began = time.perf_counter()
            while not await self._open_page():
                self.retries += 1
                await asyncio.sleep(0.02)
            self.pages_s.append(time.perf_counter() - began)
            await asyncio.sleep(VISIT_EVERY_S)

    async def watch(self) -> None:
        while True:
            self.descriptors = max(self.descriptors, sum(1 for _ in self._folder.iterdir()))
            await asyncio.sleep(0.05)

    async def _open_page(self) -> bool:
        connector = aiohttp.TCPConnector(force_close=True)
        try:
            async with aiohttp.ClientSession(connector=connector) as session, session.get(self._address) as answer:
                return answer.status == 200 and b"</html>" in await answer.read()
        except aiohttp.ClientError:
            return False


@contextlib.asynccontextmanager
async def live_clients(port: int, count: int) -> AsyncGenerator[None]:
    """Connect clients of the live stream. Fail if one of them loses its connection."""
    address = f"ws://127.0.0.1:{port}/api/v1/live"
    clients = [await websockets.connect(address, open_timeout=60) for _ in range(count)]
    reading = [asyncio.create_task(read_messages(client)) for client in clients]
    try:
        yield
    finally:
        lost = sum(task.done() for task in reading)
        await asyncio.gather(*(client.close() for client in clients), *reading, return_exceptions=True)
    if lost:
        sys.exit(f"target missed: {lost} of {count} live clients lost their connection")


async def read_messages(client: Any) -> None:
    async for _ in client:
        pass


@contextlib.asynccontextmanager
async def attack(port: int, attempts_per_s: float) -> AsyncGenerator[dict[str, int]]:
    """Run the attacker. At the end, the dictionary has its counts."""
    command = (sys.executable, CONTENDERS / "half_open.py", port, HALF_OPEN, attempts_per_s)
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    counts: dict[str, int] = {}
    try:
        await asyncio.sleep(WARM_UP_S)
        yield counts
    finally:
        output, _ = await process.communicate(b"")  # closes its standard input, which ends it
        counts.update(json.loads(output))


async def measure(
    course: Course, contender: Contender, port: int, seconds: float, attempts_per_s: float | None
) -> Turn:
    """Measure one turn. Without attempts it is quiet."""
    async with contextlib.AsyncExitStack() as stack:
        counts: dict[str, int] = {}
        if attempts_per_s is not None:
            await stack.enter_async_context(live_clients(port, LIVE_CLIENTS))
            counts = await stack.enter_async_context(attack(port, attempts_per_s))
        before = await course.mark(contender)
        visitor = Visitor(f"http://127.0.0.1:{port}/", before["pid"])
        began = time.perf_counter()
        tasks = [asyncio.create_task(visitor.visit()), asyncio.create_task(visitor.watch())]
        await course.pace(contender, EVENTS_PER_S, seconds)
        after = await course.mark(contender)
        took_ns = (time.perf_counter() - began) * 1e9
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
    p50_ns, p99_ns, _ = after["delays_ns"]
    cpu = (after["cpu_ns"] - before["cpu_ns"]) / took_ns
    pages_s = sorted(visitor.pages_s) or [seconds]
    return Turn(pages_s, visitor.retries, p50_ns / 1e6, p99_ns / 1e6, cpu, visitor.descriptors, counts)


def show(name: str, turns: Sequence[Turn]) -> None:
    """Print the figures of turns of one kind."""
    pages = sorted(second for turn in turns for second in turn.pages_s)
    p95 = pages[len(pages) * 95 // 100]
    p50_ms, p99_ms = (statistics.median(getattr(turn, field) for turn in turns) for field in ("p50_ms", "p99_ms"))
    print(
        f"{name:9} page {statistics.median(pages) * 1e3:5.0f} ms median, {p95 * 1e3:5.0f} ms p95,"
        f" {sum(turn.retries for turn in turns)} retries of {len(pages)}; handler {p50_ms:5.2f} ms median,"
        f" {p99_ms:5.1f} ms p99; {max(turn.descriptors for turn in turns)} descriptors,"
        f" {statistics.median(turn.cpu for turn in turns):.0%} of a core"
    )
    for turn in turns:
        if turn.attack:
            print(f"          attacker: {', '.join(f'{count:,} {what}' for what, count in turn.attack.items())}")


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


async def run(rounds: int, quiet_s: float, attacked_s: float) -> tuple[list[Turn], list[Turn], Turn]:
    """Return the quiet turns, the attacked turns, and the turn with an attacker without a limit."""
    port = free_port()
    os.environ["CONTENDER_WEB_PORT"] = str(port)
    contender = ours(OURS)
    home = FakeHome({contender.name: contender.listeners}, coalesces=True)
    quiet: list[Turn] = []
    attacked: list[Turn] = []
    async with home.running(), running(home, [contender]) as course:
        await measure(course, contender, port, 2, None)  # the first pages compile the templates
        for _ in range(rounds):
            quiet.append(await measure(course, contender, port, quiet_s, None))
            attacked.append(await measure(course, contender, port, attacked_s, ATTEMPTS_PER_S))
        return quiet, attacked, await measure(course, contender, port, quiet_s, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    quick = parser.parse_args().quick
    quiet, attacked, unlimited = asyncio.run(run(2 if quick else 5, 5, 10))
    show("quiet", quiet)
    show("attacked", attacked)
    show("unlimited", [unlimited])
    pages = sorted(second for turn in attacked for second in turn.pages_s)
    pairs = [(one.p50_ms, other.p50_ms) for one, other in zip(attacked, quiet, strict=True)]
    ratio = statistics.median(one / other for one, other in pairs)
    added_ms = statistics.median(one - other for one, other in pairs)
    print(f"handler latency: {ratio:.2f} x the quiet one")
    # The framework has the same limit of descriptors as this process.
    most = max(turn.descriptors for turn in (*attacked, unlimited))
    allowed = min(turn.descriptors for turn in quiet) + ConnectionLimits.of_this_process().total + READER_DESCRIPTORS
    tolerance = QUICK_TOLERANCE if quick else 1
    figures: list[tuple[str, float, float, float]] = [
        ("p95 of a page, in seconds", pages[len(pages) * 95 // 100], PAGE_TARGET_S, PAGE_TARGET_S),
        ("added to the median of handlers, in ms", added_ms, ADDED_TARGET_MS, ADDED_TARGET_MS * tolerance),
        ("open descriptors", most, allowed, allowed),
    ]
    missed: list[str] = []
    for name, value, target, limit in figures:
        print(f"{name}: {value:.4g} (target: <= {target:g}, limit {limit:g})")
        if value > limit:
            missed.append(f"{name}: {value:.4g}")
    if missed:
        sys.exit(f"target missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
