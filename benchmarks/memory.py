"""Measure the growth of memory over a million runs. Some runs fail, log lines or call services.

    python benchmarks/memory.py [--quick]

Exits with 1 if the target is missed. CI machines are noisy: with --quick, the limit is 25 % above the target.

The floor is the memory of the same process after its first 100,000 runs, because by then each buffer has been full.
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

WARM_UP_RUNS = 100_000
RUNS_PER_STEP = 250
TARGET_MB = 5
QUICK_TOLERANCE = 1.25
TRIGGER = EventTrigger("state_changed", "light.hall", "off", "on", "01JDABCDEFGHJKMNPQRSTVWXYZ")
log = logging.getLogger("bench.app")


async def without_effects() -> None:
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
        call = with_effects if number == 7 else failing if number == 20 else without_effects
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
    """Return the resident megabytes before the first run, after the warm-up, and after the last run."""
    logging.getLogger("bench.app").propagate = True
    logging.getLogger("hassette_executor.outcome").setLevel(logging.CRITICAL)
    logging.lastResort = None
    repeated = commands()
    async with CommandExecutor(NullSink()) as executor:
        for command in repeated:
            executor.register(command.registration)
        before, floor = resident_mb(), 0.0
        for done in range(RUNS_PER_STEP, runs + 1, RUNS_PER_STEP):
            for number in range(RUNS_PER_STEP):
                await executor.execute(repeated[number % len(repeated)])
            await asyncio.sleep(0)
            if done == WARM_UP_RUNS:
                await executor.force_flush()
                floor = resident_mb()
        await executor.force_flush()
        after = resident_mb()
        account = executor.accounting()
        assert account.executed == account.persisted + sum(account.shed.values()) == runs, account
        return before, floor, after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    quick = parser.parse_args().quick
    runs = 250_000 if quick else 1_000_000
    before, floor, after = asyncio.run(measure(runs))
    print(f"resident before the first run        {before:7.1f} MB")
    print(f"floor: resident after {WARM_UP_RUNS:9,} runs  {floor:7.1f} MB")
    print(f"resident after        {runs:9,} runs  {after:7.1f} MB  {after / floor:5.3f} x the floor")
    growth, limit = after - floor, TARGET_MB * (QUICK_TOLERANCE if quick else 1)
    print(f"growth                               {growth:7.2f} MB  (target: < {TARGET_MB} MB, limit {limit:g} MB)")
    if growth >= limit:
        sys.exit(f"target missed: memory grew by {growth:.2f} MB, the limit is {limit:g} MB")


if __name__ == "__main__":
    main()
