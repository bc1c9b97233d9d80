"""Count the wake-ups of the event loop and the context switches of the process while executor and watchdog are idle.

    python benchmarks/idle.py [--quick]

The floor is measured just before: the event loop of the same process sleeps for the same time. Exits with 1 if the
idle executor or the loop watch adds a wake-up. The thread of the loop watch needs two context switches per second. The
number of other context switches depends on the load of the machine, so a quarter of the floor may be added, plus 3.
"""

import argparse
import asyncio
import resource
import selectors
import sys
import time

from hassette_core.watchdogs import LoopWatch
from hassette_executor import CommandExecutor, EventTrigger, InvokeHandler, ListenerRegistration, NullSink

TRIGGER = EventTrigger("state_changed", "light.hall", "off", "on")
LISTENER = ListenerRegistration(app="bench", instance="0", name="handler", topic="state_changed.*", handler="handler")


class CountingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Selector that counts the waits of the event loop. A wake-up follows each wait."""

    waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.waits += 1
        return super().select(timeout)


async def handler() -> None:
    pass


async def sleep_and_count(selector: CountingSelector, seconds: float) -> tuple[int, int]:
    """Sleep; return the loop's wake-ups, and the voluntary context switches of all threads."""
    waits, switches = selector.waits, resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    await asyncio.sleep(seconds)
    return selector.waits - waits, resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - switches


async def measure(selector: CountingSelector, seconds: float) -> tuple[tuple[int, int], tuple[int, int]]:
    floor = await sleep_and_count(selector, seconds)
    async with CommandExecutor(NullSink()) as executor, LoopWatch(executor, blocked_s=1):
        serving = asyncio.create_task(executor.serve())
        executor.register(LISTENER)
        for _ in range(1_000):
            await executor.execute(
                InvokeHandler(registration=LISTENER, call=handler, trigger=TRIGGER, ready_ns=time.monotonic_ns())
            )
        await executor.force_flush()
        # The executor's last timers (dispatch, flush, sweeper) end within the flush interval.
        await asyncio.sleep(1)
        idle = await sleep_and_count(selector, seconds)
        serving.cancel()
    return floor, idle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seconds instead of ten")
    seconds = 2.0 if parser.parse_args().quick else 10.0
    selector = CountingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        floor, idle = runner.run(measure(selector, seconds))
    print(f"floor: an event loop that sleeps {seconds:g} s  {floor[0]:4} wake-ups  {floor[1]:4} context switches")
    print(f"with an idle executor and loop watch    {idle[0]:4} wake-ups  {idle[1]:4} context switches")
    wake_ups, switches = idle[0] - floor[0], idle[1] - floor[1]
    limit = 3 + floor[1] // 4 + round(2 * seconds)
    print(f"added by both                           {wake_ups:4} wake-ups  {switches:4} context switches")
    print(f"targets                                 {0:4} wake-ups  {limit:4} context switches")
    if wake_ups > 0:
        sys.exit(f"target missed: an idle executor and loop watch add {wake_ups} wake-ups")
    if switches > limit:
        sys.exit(f"target missed: an idle executor and loop watch add {switches} context switches, more than {limit}")


if __name__ == "__main__":
    main()
