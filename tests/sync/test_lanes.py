"""Slow questions do not delay fast ones, and end when their caller has left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from hassette_sync import DataSyncService
from hassette_sync.errors import QueryTimeoutError
from hassette_sync.lanes import Lanes
from hassette_sync.questions.runs import newest_id
from hassette_sync.reader import Reader, ReadTransaction
from hassette_sync.settings import WebSettings
from hassette_sync.web.application import create_app
from hassette_sync.web.disconnects import StopWhenClientLeaves
from support.history import NewHistory
from support.waiting import patience

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
ENDLESS_REGISTRATIONS = """
CREATE VIEW registrations AS WITH RECURSIVE forever (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM forever)
SELECT id, 'job' AS kind, '' AS app, '' AS instance, '' AS name, '' AS topic, '' AS schedule, '' AS handler,
       NULL AS retired_us, 0 AS last_registered_us FROM forever
"""
LONG_S = 3_600.0


async def endless(transaction: ReadTransaction) -> None:
    await transaction.one(ENDLESS)


@pytest.fixture
async def reader(plausible: Path) -> AsyncIterator[Reader]:
    """A reader with one place in each lane, and one for a question that waits for the slow lane."""
    reader = Reader(plausible, deadline_s=LONG_S, lanes=Lanes(fast=1, slow=1, waiting=1))
    yield reader
    await reader.close()


async def cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_slow_questions_leave_the_fast_lane_to_others(reader: Reader) -> None:
    slow = [asyncio.create_task(reader.ask("slow", endless)) for _ in range(2)]
    async with asyncio.timeout(patience(20)):
        for _ in range(5):
            assert await reader.ask("fast", newest_id) > 0
    assert not any(task.done() for task in slow)
    await cancel(*slow)


async def test_question_of_a_cancelled_caller_is_stopped(reader: Reader) -> None:
    slow = asyncio.create_task(reader.ask("slow", endless))
    assert await reader.ask("fast", newest_id) > 0
    await cancel(slow)
    async with asyncio.timeout(patience(20)):
        await reader.close()  # waits for the questions that still run


async def test_stopped_questions_free_their_places(reader: Reader) -> None:
    async with asyncio.timeout(patience(20)):
        for _ in range(4):
            slow = [asyncio.create_task(reader.ask("slow", endless)) for _ in range(2)]
            assert await reader.ask("fast", newest_id) > 0
            await cancel(*slow)


async def test_too_many_slow_questions_are_refused_before_their_deadline(reader: Reader) -> None:
    slow = [asyncio.create_task(reader.ask("slow", endless)) for _ in range(3)]
    async with asyncio.timeout(patience(20)):
        done, waiting = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
    assert [type(task.exception()) for task in done] == [QueryTimeoutError]
    await cancel(*waiting)


async def test_question_that_awaits_something_else_is_an_error(reader: Reader) -> None:
    async def waits(transaction: ReadTransaction) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="must await nothing but its transaction"):
        await reader.ask("waits", waits)


async def test_request_ends_when_its_client_leaves(new_history: NewHistory) -> None:
    with new_history() as history:
        history.db.execute("DROP VIEW registrations")
        history.db.execute(ENDLESS_REGISTRATIONS)
    sent: list[str] = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/registrations",
        "raw_path": b"/api/v1/registrations",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }
    async with DataSyncService(history.path, deadline_s=LONG_S) as data, asyncio.timeout(patience(20)):
        await create_app(data, WebSettings())(scope, receive, send)
    assert sent == []


async def test_application_cleans_up_after_a_whole_answer() -> None:
    steps: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all"})
        is_sent.set()
        # The server reports the disconnection in the meantime.
        for _ in range(5):
            await asyncio.sleep(0)
        steps.append("file closed")

    async def receive() -> Message:
        await is_sent.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        steps.append(str(message["type"]))

    is_sent = asyncio.Event()
    await StopWhenClientLeaves(application)({"type": "http", "method": "GET"}, receive, send)
    assert steps == ["http.response.start", "http.response.body", "file closed"]
