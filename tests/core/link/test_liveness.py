"""The check detects a silent Home Assistant, but not a slow one or a blocked event loop."""

import asyncio
import time

import pytest

from hassette_core.errors import NotConnectedError
from hassette_core.link import LivenessCheck
from support.waiting import patience

QUICK = {"interval_s": 0.001, "max_silent_ticks": 3, "tick_s": 0.01}


async def never() -> None:
    await asyncio.Event().wait()


async def test_silence_is_detected_at_the_limit_and_not_earlier() -> None:
    began = time.monotonic()
    async with asyncio.timeout(patience(5)):
        cause = await LivenessCheck(never, lambda: 0, **QUICK).wait_until_silent()
    assert cause == "no answer to a ping for 0.03 s"
    assert time.monotonic() - began >= 0.03


async def test_answered_pings_are_not_silence() -> None:
    pings = 0
    enough = asyncio.Event()

    async def ping() -> None:
        nonlocal pings
        pings += 1
        if pings == 20:
            enough.set()

    checking = asyncio.create_task(LivenessCheck(ping, lambda: 0, **QUICK).wait_until_silent())
    async with asyncio.timeout(patience(5)):
        await enough.wait()
    assert not checking.done()
    checking.cancel()


async def test_events_are_not_silence_even_if_the_answer_is_late() -> None:
    calls = 0

    def count_received() -> int:
        nonlocal calls
        calls += 1
        return min(calls, 40)

    async with asyncio.timeout(patience(5)):
        await LivenessCheck(never, count_received, **QUICK).wait_until_silent()
    assert calls > 40, "silence began after the last event"


async def test_blocked_event_loop_does_not_count_as_silence() -> None:
    """If the limit counted seconds, a handler that blocks the event loop would end the connection."""
    reader, answer = asyncio.Queue[None](), asyncio.Event()
    answered = 0

    async def ping() -> None:
        nonlocal answered
        asyncio.get_running_loop().call_later(0.005, reader.put_nowait, None)
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
        await reader.get()
        await asyncio.sleep(0)  # the event loop also needs several turns to read a real answer
        answered += 1
        if answered == 3:
            answer.set()

    checking = asyncio.create_task(LivenessCheck(ping, lambda: 0, **QUICK).wait_until_silent())
    async with asyncio.timeout(patience(5)):
        await asyncio.wait((checking, asyncio.create_task(answer.wait())), return_when=asyncio.FIRST_COMPLETED)
    assert answered == 3
    assert not checking.done()
    checking.cancel()


async def test_error_of_a_ping_that_cannot_be_sent_is_raised() -> None:
    async def ping() -> None:
        raise NotConnectedError("ping Home Assistant")

    with pytest.raises(NotConnectedError):
        async with asyncio.timeout(patience(5)):
            await LivenessCheck(ping, lambda: 0, **QUICK).wait_until_silent()
