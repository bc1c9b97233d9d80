"""Wait for a condition. All limits grow with the environment variable HASSETTE_TEST_PATIENCE.

The limits are generous for a quick machine. ``HASSETTE_TEST_PATIENCE=5 pytest`` multiplies them by 5 for a slow one.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

T = TypeVar("T")

VARIABLE = "HASSETTE_TEST_PATIENCE"
FIRST_PAUSE_S = 0.001
LONGEST_PAUSE_S = 0.05
"""On a busy machine, many tests wait at the same time. Frequent polling would slow down the code that they wait for."""


def patience(seconds: float) -> float:
    """Return a time limit scaled for this machine.

    Raises:
        ValueError: HASSETTE_TEST_PATIENCE is not a positive number.
    """
    text = os.environ.get(VARIABLE) or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"{VARIABLE} must be a positive number, got {text!r}")
    return seconds * factor


async def eventually(condition: Callable[[], T], within_s: float = 10, what: str = "") -> T:
    """Wait until a condition returns a true value, and return this value.

    The event loop keeps running meanwhile, and its clock measures the limit.

    Args:
        condition: Called again and again until it returns something true.
        within_s: The limit before scaling.
        what: Text for the message of the failure, such as ``"10 more runs"``.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience(within_s)
    for pause_s in _pauses():
        if value := condition():
            return value
        if loop.time() > deadline:
            break
        await asyncio.sleep(pause_s)
    pytest.fail(_message(condition, within_s, what))


def wait_until(condition: Callable[[], T], within_s: float = 10, what: str = "") -> T:
    """Wait for a condition as `eventually` does, but in a thread or in a test without an event loop."""
    deadline = time.monotonic() + patience(within_s)
    for pause_s in _pauses():
        if value := condition():
            return value
        if time.monotonic() > deadline:
            break
        time.sleep(pause_s)
    pytest.fail(_message(condition, within_s, what))


def _pauses() -> Iterator[float]:
    """Yield pauses that grow from `FIRST_PAUSE_S` to `LONGEST_PAUSE_S`."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(1.3 * pause_s, LONGEST_PAUSE_S)


def _message(condition: Callable[[], object], within_s: float, what: str) -> str:
    code = getattr(condition, "__code__", None)
    expected = what or (f"the condition at {code.co_filename}:{code.co_firstlineno}" if code else repr(condition))
    return f"{expected}: not within {patience(within_s):g} s"
