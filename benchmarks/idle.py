"""Measure wake-ups of the event loop and task switches of the process over ten seconds with an idle executor.

    python benchmarks/idle.py [--quick]

The floor is an event loop that sleeps for the same time in the same process, just before. Exits with 1 after one more
wake-up than that. Task switches depend on the load of the machine, so a quarter of the floor plus 3 is tolerated.
"""

import argparse
import asyncio
import resource
import selectors
import sys
import time

from hassette_executor import CommandExecutor, EventTrigger, InvokeHandler, ListenerRegistration, NullSink

TRIGGER = EventTrigger("state_changed", "light.hall", "off", "on")
LISTENER = ListenerRegistration(app="bench", instance="0", name="handler", topic="state_changed.*", handler="handler")


class CountingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Counts how often the event loop waits, which is one more than its wake-ups."""

    waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.waits += 1
        return super().select(timeout)


async def handler() -> None:
    pass


async def asleep(selector: CountingSelector, seconds: float) -> tuple[int, int]:
    """Sleep; return the loop's wake-ups and the process's voluntary task switches, of all threads."""
    waits, switches = selector.waits, resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    await asyncio.sleep(seconds)
    return selector.waits - waits, resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - switches


async def measure(selector: CountingSelector, seconds: float) -> tuple[tuple[int, int], tuple[int, int]]:
    floor = await asleep(selector, seconds)
    async with CommandExecutor(NullSink()) as executor:
        serving = asyncio.create_task(executor.serve())
        executor.register(LISTENER)
        for _ in range(1_000):
            await executor.execute(
                InvokeHandler(registration=LISTENER, call=handler, trigger=TRIGGER, ready_ns=time.monotonic_ns())
            )
        await executor.force_flush()
        # The last timers of the executor (dispatch, flush, sweeper) end within the flush interval.
        await asyncio.sleep(1)
        idle = await asleep(selector, seconds)
        serving.cancel()
    return floor, idle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seconds instead of ten")
    seconds = 2.0 if parser.parse_args().quick else 10.0
    selector = CountingSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        floor, idle = runner.run(measure(selector, seconds))
    print(f"floor: an event loop that sleeps {seconds:g} s  {floor[0]:4} wake-ups  {floor[1]:4} task switches")
    print(f"with an idle executor                   {idle[0]:4} wake-ups  {idle[1]:4} task switches")
    more = (idle[0] - floor[0], idle[1] - floor[1])
    print(f"added                                    {more[0]:4} wake-ups  {more[1]:4} task switches  (aim: 0)")
    if more[0] > 0 or more[1] > 3 + floor[1] // 4:
        sys.exit("aim missed: an idle executor wakes up")


if __name__ == "__main__":
    main()
