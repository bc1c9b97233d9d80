"""A Home Assistant that says nothing is noticed; one that is only slow, or whose client was blocked, is not."""

import asyncio
import time

import pytest

from hassette_core.errors import NotConnectedError
from hassette_core.link import Pulse

QUICK = {"interval_s": 0.001, "patience_ticks": 3, "tick_s": 0.01}


async def never() -> None:
    await asyncio.Event().wait()


async def test_silence_is_noticed_after_the_patience_and_no_sooner() -> None:
    began = time.monotonic()
    async with asyncio.timeout(5):
        said = await Pulse(never, lambda: 0, **QUICK).until_silent()
    assert said == "no answer to a ping for 0.03 s"
    assert time.monotonic() - began >= 0.03


async def test_answers_keep_it_going() -> None:
    pings = 0
    enough = asyncio.Event()

    async def ping() -> None:
        nonlocal pings
        pings += 1
        if pings == 20:
            enough.set()

    watching = asyncio.create_task(Pulse(ping, lambda: 0, **QUICK).until_silent())
    async with asyncio.timeout(5):
        await enough.wait()
    assert not watching.done()
    watching.cancel()


async def test_who_sends_events_is_alive_even_if_the_answer_stands_behind_them() -> None:
    asked = 0

    def heard() -> int:
        nonlocal asked
        asked += 1
        return min(asked, 40)

    async with asyncio.timeout(5):
        await Pulse(never, heard, **QUICK).until_silent()
    assert asked > 40, "it gave up only after the events had ended"


async def test_a_blocked_loop_is_one_tick_and_the_answer_that_has_come_meanwhile_counts() -> None:
    """Without ticks, a handler that blocks the loop for longer than the patience would cost the connection."""
    reader, answer = asyncio.Queue[None](), asyncio.Event()
    answered = 0

    async def ping() -> None:
        nonlocal answered
        asyncio.get_running_loop().call_later(0.005, reader.put_nowait, None)
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
        await reader.get()
        await asyncio.sleep(0)  # as the bytes of a real answer need a few turns of the loop to become one
        answered += 1
        if answered == 3:
            answer.set()

    watching = asyncio.create_task(Pulse(ping, lambda: 0, **QUICK).until_silent())
    async with asyncio.timeout(5):
        await asyncio.wait((watching, asyncio.create_task(answer.wait())), return_when=asyncio.FIRST_COMPLETED)
    assert answered == 3
    assert not watching.done()
    watching.cancel()


async def test_a_ping_that_cannot_be_sent_is_told() -> None:
    async def ping() -> None:
        raise NotConnectedError("ping Home Assistant")

    with pytest.raises(NotConnectedError):
        async with asyncio.timeout(5):
            await Pulse(ping, lambda: 0, **QUICK).until_silent()
