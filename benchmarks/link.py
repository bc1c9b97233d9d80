"""Measure the link's time per event, as a ratio to the time for parsing the JSON of the message.

    python benchmarks/link.py [--quick]

The floor is parsing the message with the standard library. The figures are medians of alternating measurements. There
is no target: compare the ratios of two versions. `end_to_end.py` has targets.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable
from random import Random
from typing import Any

from hassette_core.events import Event, parse_event
from hassette_core.link import HomeAssistantLink
from hassette_core.link.inbox import Inbox
from hassette_core.link.messages import ReceivedChange, parse_frame, parse_json
from hassette_core.simulation.home import HomeCore, SimulatedHome
from hassette_core.simulation.home.entities import add_entities
from hassette_core.states import StateCache


def messages() -> tuple[str, str]:
    """Return the messages for a state change and for another event, as Home Assistant sends them."""
    core = HomeCore(Random(0))
    add_entities(core)
    events: list[dict[str, Any]] = []
    core.listen("*", events.append)
    core.change("light.hall", "on", context=core.context(user=True), brightness=120, color_mode="brightness")
    core.fire("my_event", {"n": 1, "room": "hall"})
    change, other = (json.dumps({"type": "event", "event": event, "id": 2}, separators=(",", ":")) for event in events)
    return change, other


def per_call_us(function: Callable[[], object], calls: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(calls):
        function()
    return (time.perf_counter_ns() - began) / calls / 1_000


def medians_us(functions: dict[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            taken[name].append(per_call_us(function, calls))
    return {name: statistics.median(each) for name, each in taken.items()}


def measure_parsing(rounds: int, calls: int) -> None:
    for kind, text in zip(("state_changed", "other event"), messages(), strict=True):
        (received,) = parse_frame(text, 0)
        message: Any = received.event if isinstance(received, ReceivedChange) else received
        raw = parse_json(text)
        inbox = Inbox(StateCache(), lambda event: None)
        inbox.begin()
        inbox.load([], running=True)
        figures = medians_us(
            {
                "floor": lambda text=text: json.loads(text),
                "plain": lambda text=text: parse_json(text),
                "frame": lambda text=text: tuple(parse_frame(text, 0)),
                "list": lambda text=f"[{text},{text}]": tuple(parse_frame(text, 0)),
                "parse": lambda raw=raw: parse_event(raw["event"], 0),
                "receive": lambda inbox=inbox, message=message: inbox.receive(message),
            },
            rounds,
            calls,
        )
        floor = figures["floor"]
        print(f"{kind} ({len(text)} bytes)")
        for name, label in {
            "floor": "parse the JSON with the standard library: the floor",
            "plain": "parse the JSON with msgspec (parse_json)",
            "frame": "decode the message (parse_frame)",
            "list": "decode two messages in one frame",
            "parse": "check the fields of odd content (parse_event)",
            "receive": "receive: update the states, pass on",
        }.items():
            print(f"  {label:<52} {figures[name]:6.2f} µs  {figures[name] / floor:5.2f} × floor")


async def measure_socket(events: int) -> None:
    """Measure events from a simulated home in this process: an upper bound, because it includes the home's work."""
    received = 0
    done = asyncio.Event()

    def count(_event: Event) -> None:
        nonlocal received
        received += 1
        if received == events:
            done.set()

    async with SimulatedHome(speed=0) as home:
        link = HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=count)
        async with link:
            await link.wait_ready()
            cpu, began = time.process_time(), time.perf_counter()
            for first in range(0, events, 1_000):
                for n in range(first, min(first + 1_000, events)):
                    home.core.set("sensor.load", n)
                while received < min(first + 1_000, events):  # noqa: ASYNC110  the home's queue must stay short
                    await asyncio.sleep(0)
            await done.wait()
            took, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    rate, cost_us = events / took, cpu_s / events * 1e6
    print(f"over a socket, home and link in one process: {rate:,.0f} events/s, {cost_us:.0f} µs CPU per event")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the link's time per event.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    quick = parser.parse_args().quick
    measure_parsing(rounds=9 if quick else 41, calls=500 if quick else 3_000)
    asyncio.run(measure_socket(2_000 if quick else 20_000))


if __name__ == "__main__":
    main()
