"""Measure the growth of memory over a million runs, some with log lines, service calls and failures.

    python benchmarks/memory.py [--quick]

Exits with 1 if an aim is missed. With --quick a quarter more is tolerated, because CI machines are noisy.

The floor is the same process after its first 100,000 runs, when every buffer has been filled once.
"""

import argparse
import asyncio
import gc
import logging
import sys
import time

import psutil

from hassette_executor import (
    CommandExecutor,
    EventTrigger,
    InvokeHandler,
    ListenerRegistration,
    NullSink,
    ServiceCall,
    record_service_call,
)

WARM = 100_000
AT_ONCE = 250
AIM_MB = 5
TRIGGER = EventTrigger("state_changed", "light.hall", "off", "on", "01JDABCDEFGHJKMNPQRSTVWXYZ")
log = logging.getLogger("bench.app")


async def quiet() -> None:
    pass


async def with_effects() -> None:
    log.warning("the light is still %s", "on")
    record_service_call(ServiceCall(time.time_ns() // 1000, "light", "turn_on", "light.hall", "", 10, "ctx", None))


async def failing() -> None:
    raise ValueError("the sensor did not respond")


def commands() -> list[InvokeHandler]:
    """Return the commands to repeat: 23 without effects, one with effects, one failing."""
    made: list[InvokeHandler] = []
    for number in range(25):
        call = with_effects if number == 7 else failing if number == 20 else quiet
        registration = ListenerRegistration(
            app="bench", instance="0", name=f"handler {number}", topic="state_changed.*", handler=call.__name__
        )
        ready_ns = time.monotonic_ns()
        made.append(InvokeHandler(registration=registration, call=call, trigger=TRIGGER, ready_ns=ready_ns))
    return made


def resident_mb() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


async def measure(runs: int) -> tuple[float, float, float]:
    """Return megabytes before the first run, after the warm-up and after the last."""
    logging.getLogger("bench.app").propagate = True
    logging.getLogger("hassette_executor.outcome").setLevel(logging.CRITICAL)
    logging.lastResort = None
    every = commands()
    async with CommandExecutor(NullSink()) as executor:
        for command in every:
            executor.register(command.registration)
        before, warm = resident_mb(), 0.0
        for done in range(AT_ONCE, runs + 1, AT_ONCE):
            for number in range(AT_ONCE):
                await executor.execute(every[number % len(every)])
            await asyncio.sleep(0)
            if done == WARM:
                await executor.force_flush()
                warm = resident_mb()
        await executor.force_flush()
        after = resident_mb()
        account = executor.accounting()
        assert account.executed == account.persisted + sum(account.shed.values()) == runs, account
        return before, warm, after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    quick = parser.parse_args().quick
    runs = 250_000 if quick else 1_000_000
    before, warm, after = asyncio.run(measure(runs))
    print(f"resident before the first run        {before:7.1f} MB")
    print(f"floor: resident after {WARM:9,} runs  {warm:7.1f} MB")
    print(f"resident after        {runs:9,} runs  {after:7.1f} MB  {after / warm:5.3f} x the floor")
    print(f"growth                               {after - warm:7.2f} MB  (aim: < {AIM_MB} MB)")
    if quick:
        print("with --quick, a quarter more than the aim is tolerated")
    if after - warm >= AIM_MB * (1.25 if quick else 1):
        sys.exit("aim missed: growth")


if __name__ == "__main__":
    main()
