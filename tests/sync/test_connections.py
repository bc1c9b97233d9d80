"""Connections: their number, their time and their size are limited before a token is asked for."""

import asyncio
import contextlib
import json
import logging
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.waiting import eventually, patience
from support.web_clients import http_client, live_client

pytest.importorskip("fastapi")
import websockets

from hassette_sync.settings import WebSettings
from hassette_sync.web.connections import ConnectionLimits, Connections
from hassette_sync.web.refusals import RefusalLog
from hassette_sync.web.service import WebService
from support.attacker import Attacker, attacked
from support.patient_data import patient_data

pytestmark = pytest.mark.heavy

LIMITS = ConnectionLimits(total=12, per_address=6, request_s=3_600, write_s=3_600)
MOST_WAITING = int(Path("/proc/sys/net/core/somaxconn").read_text())
HALF = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
WHOLE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def attacker(plausible: Path) -> AsyncIterator[Attacker]:
    async with attacked(plausible, LIMITS) as attacker:
        yield attacker


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        HALF,
        WHOLE + HALF,
        FORM + b"Content-Length: 100\r\n\r\ntoken=",
        FORM + b"Transfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n",
    ],
    ids=["nothing", "one byte", "half a header", "second header", "half a body", "half a chunked body"],
)
async def test_request_that_never_ends_is_closed(plausible: Path, data: bytes) -> None:
    async with attacked(plausible, replace(LIMITS, request_s=0.1)) as attacker:
        client = await attacker.connect(data)
        answer = await client.received()
    assert answer.startswith(b"HTTP/1.1 200") if data.startswith(WHOLE) else answer == b""


async def test_half_open_connections_keep_no_other_visitor_out(attacker: Attacker) -> None:
    for number in range(60):
        await attacker.connect(b"" if number % 2 else HALF)
    async with http_client(base_url=f"http://127.0.0.1:{attacker.port}") as client:
        for path in ("/health/live", "/", "/api/v1/status"):
            assert (await client.get(path)).status_code == 200
    # The oldest half-open connections were closed.
    assert await attacker.clients[0].received() == b""


@pytest.mark.skipif(MOST_WAITING < 1_024, reason="this machine lets fewer connections wait")
async def test_hundreds_of_visitors_can_wait_while_the_event_loop_is_busy(plausible: Path) -> None:
    service = WebService(patient_data(plausible), WebSettings(port=0), limits=LIMITS)
    await service.start()  # without `serve`, it accepts no connection
    try:
        port = int(str(service.url).rstrip("/").rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for _ in range(600):
                # If the queue is full, the client is not connected before the end of its time.
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=patience(2)))
    finally:
        await service.stop()


async def test_number_of_open_connections_never_exceeds_its_limit(attacker: Attacker) -> None:
    def accepted() -> int:
        inodes = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
        return len([name for name in inodes if name.startswith("socket:")])

    before = accepted()
    for _ in range(100):
        await attacker.connect(HALF)
    # The clients of this test are in the same process.
    await eventually(lambda: accepted() - before <= 100 + LIMITS.total)


async def test_visitor_gets_a_503_if_every_connection_is_busy(
    plausible: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = replace(LIMITS, total=4)
    async with attacked(plausible, limits) as attacker, contextlib.AsyncExitStack() as stack:
        address = f"ws://127.0.0.1:{attacker.port}/api/v1/live"
        # Half of the connections may be live.
        for _ in range(2):
            client = await stack.enter_async_context(live_client(address))
            assert json.loads(await client.recv())["type"] == "hello"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await live_client(address)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("addresses", "refused", "message", "limit"),
    [
        (["192.0.2.1"] * 2, "192.0.2.1", "Connection was refused, because its address has too many connections", "2"),
        (
            ["192.0.2.1", "192.0.2.2"] * 2,
            "192.0.2.3",
            "Connection was refused, because all connections are in use",
            "4",
        ),
    ],
    ids=["of one address", "in all"],
)
def test_log_of_a_refused_connection_has_the_limit_that_applied(
    addresses: list[str], refused: str, message: str, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    connections = Connections(replace(LIMITS, total=4, per_address=2), RefusalLog())
    for address in addresses:
        connections.add(asyncio.Transport(extra={"peername": (address, 50_000)}))
    assert not connections.make_room(refused)
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["limit"], vars(record)["address"]) == (message, limit, refused)


def test_limits_leave_descriptors_to_the_rest_of_the_process() -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2);"
        "from hassette_sync.web.connections import ConnectionLimits as L; print(L.of_this_process().total)"
    )

    def total(descriptors: int) -> int:
        command = [sys.executable, "-c", program, str(descriptors)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience(30))
        return int(done.stdout)

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for descriptors in (64, 120, 256, 1_024):
        if hard == resource.RLIM_INFINITY or descriptors <= hard:
            assert 8 <= total(descriptors) <= max(8, descriptors // 3)


async def test_server_survives_exhausted_descriptors_with_a_short_log(plausible: Path, tmp_path: Path) -> None:
    program = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
kept = [open("/dev/null") for _ in range(36)]  # files of the rest of the framework
from hassette_sync.cli import main
main(["serve", "--db", sys.argv[1], "--port", "0"])
"""
    log = tmp_path / "log"
    with log.open("wb") as errors:
        command = (sys.executable, "-u", "-c", program, str(plausible))
        server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=errors)
        try:
            assert server.stdout is not None
            line = (await server.stdout.readline()).decode()
            attacker = Attacker(int(line.partition("127.0.0.1:")[2].partition("/")[0]))
            for _ in range(200):
                await attacker.connect(HALF)
            async with http_client() as client:
                answer = await client.get(f"http://127.0.0.1:{attacker.port}/health/live")
            assert answer.status_code == 200
            for one in attacker.clients:
                await one.close()
        finally:
            server.send_signal(signal.SIGTERM)
            await asyncio.wait_for(server.wait(), patience(30))
    assert len(log.read_text().splitlines()) < 20


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Bad : 1\r\n\r\n",
        b"\r\n\r\n\r\nnot HTTP\r\n\r\n",
    ],
    ids=["TLS", "two hosts", "two lengths", "negative length", "space", "text"],
)
async def test_invalid_request_is_a_problem_and_is_not_logged(
    attacker: Attacker, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = await (await attacker.connect(data)).received()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:hassette:problem:invalid_http"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("size", [20_000, 60_000, 300_000])
@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=%s\r\n\r\n",
        b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /runs?text=%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Ingress-Path: /%s\r\n\r\n",
    ],
    ids=["header", "cookie", "path", "query", "prefix"],
)
async def test_long_header_is_refused(attacker: Attacker, data: bytes, size: int) -> None:
    client = await attacker.connect(data % (b"x" * size))
    client.writer.write_eof()
    answer = await client.received()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert answer == b"" or b"application/problem+json" in answer


async def test_pipelined_requests_are_answered_in_order_also_before_invalid_ones(attacker: Attacker) -> None:
    client = await attacker.connect(WHOLE * 5 + b"not HTTP\r\n\r\n")
    answer = await client.received()
    assert answer.count(b"HTTP/1.1 200") == 5
    assert answer.count(b"HTTP/1.1 400") == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_long_body_is_refused_before_it_is_read(attacker: Attacker, chunked: bool) -> None:
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 100000000"
    client = await attacker.connect(FORM + length + b"\r\n\r\n")
    if chunked:
        for _ in range(20):
            await client.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    answer = await client.received()
    assert answer.startswith(b"HTTP/1.1 413")


async def test_client_that_does_not_read_its_answers_is_closed(plausible: Path) -> None:
    async with attacked(plausible, replace(LIMITS, write_s=0.1)) as attacker:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", attacker.port))

            async def ask_until_closed() -> None:
                while True:
                    await loop.sock_sendall(client, b"GET /static/live.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)

            with pytest.raises(ConnectionError):
                await asyncio.wait_for(ask_until_closed(), patience(60))


async def test_long_message_of_a_live_client_ends_its_connection(attacker: Attacker) -> None:
    async with live_client(f"ws://127.0.0.1:{attacker.port}/api/v1/live") as client:
        await client.recv()
        await client.send("x" * 100_000)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_answers_to_pings_of_a_client_that_never_reads_use_bounded_memory(attacker: Attacker) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    head = b"GET /api/v1/live?at_most=0 HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Version: 13\r\n" + upgrade
    pings = (b"\x89\xfd\0\0\0\0" + b"x" * 125) * 8_000
    client = await attacker.connect(head + b"\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 101")
    for _ in range(40):
        await client.send(pings)
    await client.send(b"\x88\x80\0\0\0\0")
    # The answers to all pings have 40 MB. The two sockets keep some of it.
    assert len(await client.received()) < 20_000_000


async def test_live_client_outlives_the_time_limit_of_requests(plausible: Path) -> None:
    async with (
        attacked(plausible, replace(LIMITS, request_s=0.05)) as attacker,
        live_client(f"ws://127.0.0.1:{attacker.port}/api/v1/live") as live,
    ):
        assert json.loads(await live.recv())["type"] == "hello"
        assert await (await attacker.connect(HALF)).received() == b""  # its time has run out, too
        await (await live.ping())


async def test_signing_out_ends_the_live_stream_of_the_browser(plausible: Path) -> None:
    token = "a-secret-of-many-letters"
    async with attacked(plausible, LIMITS, token) as attacker:
        origin = f"http://127.0.0.1:{attacker.port}"
        async with http_client(base_url=origin) as client:
            await client.post("/login", data={"token": token})
            cookie = f"hassette_session={client.cookies['hassette_session']}"
            address = f"ws://127.0.0.1:{attacker.port}/api/v1/live"
            async with live_client(address, additional_headers={"Cookie": cookie}, origin=origin) as live:
                assert json.loads(await live.recv())["type"] == "hello"
                await client.post("/logout", data={"all": "1"}, headers={"authorization": f"Bearer {token}"})
                with pytest.raises(websockets.ConnectionClosed):
                    await asyncio.wait_for(live.recv(), patience(10))
