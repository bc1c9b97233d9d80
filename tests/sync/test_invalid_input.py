"""Requests with invalid input in each part that the server reads are refused or answered, and fill no log."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from support.waiting import patience

pytest.importorskip("fastapi")
from hassette_sync.web.connections import ConnectionLimits
from support.attacker import Attacker, Client, attacked

pytestmark = pytest.mark.heavy

LIMITS = ConnectionLimits(total=200, per_address=200, request_s=patience(1.0), write_s=3_600)
MAX_LOG_LINES = 6
"""More than one server may write: the constant messages about refused requests, once each."""

FIELDS = (
    *("Host", "Origin", "Cookie", "Authorization", "X-Hassette-Token", "X-Hassette-Key", "Sec-Fetch-Site"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Ingress-Path", "Forwarded"),
    *("X-Remote-User-Name", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept", "Accept-Encoding"),
    *("Content-Type",),
)
FIELDS_OF_LIBRARIES = (
    *("Content-Length", "Transfer-Encoding", "Expect", "Connection", "Upgrade", "Sec-WebSocket-Key"),
    *("Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"),
)
"""Fields that only the libraries read, and not Hassette's code."""
VALUES = (
    *(b"", b"[", b"http://[", b"http://[::1", b"localhost:x", b"http://localhost:99999999", b"http://\xe2\x84\x80"),
    *(b"\xff\xfe", "grün 😀".encode(), b"//evil.example", b"/../..", b"/\\evil.example", b"/a//b", b"%00%0d%0aX: 1"),
    *(b"-1", b"9" * 5_000, b"1e999", b"nan", b";=,;=", b"a", b'"\\"\\\\"', b'hassette_session="' + b"\\" * 9_000),
    *(b"bytes=9-1", b"bytes=x-y", b"bytes=99999999-", b"bytes=" + b"0-1," * 2_000 + b"2-3", b"gzip;q=abc", b"*;q="),
    *(b"text/plain; version=\xe9", b"application/openmetrics-text; version=x.y", b"Bearer \xff", b"Bearer"),
    *(b"Mon, 99 Foo 99999999999 99:99:99", b"application/json; charset=none", b"multipart/form-data; boundary="),
)
ADDRESSES = ("/metrics", "/static/renew.js", "/login?next=/runs", "/login", "/api/v1/jobs/run", "/api/v1/live")
GUARDED = ("/api/v1/losses", "/api/v1/live")
BODIES = {"/login": b"token=a", "/api/v1/jobs/run": b'{"job": "a"}'}
UPGRADE = (
    ("Upgrade", b"websocket"),
    ("Connection", b"Upgrade"),
    ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", b"13"),
)


@pytest.fixture
async def attacker(plausible: Path) -> AsyncIterator[Attacker]:
    async with attacked(plausible, LIMITS, "a-secret-of-many-letters") as attacker:
        yield attacker


@pytest.fixture
async def open_attacker(plausible: Path) -> AsyncIterator[Attacker]:
    """An attacker of pages without a token, so that each request reaches its route."""
    async with attacked(plausible, LIMITS) as attacker:
        yield attacker


def request(address: str, changes: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """Return a request. The changes replace header fields, or add them."""
    body = BODIES.get(address, b"")
    fields = [("Host", b"localhost")]
    if body:
        kind = b"application/json" if "api" in address else b"application/x-www-form-urlencoded"
        fields += [("Content-Type", kind), ("Content-Length", str(len(body)).encode())]
    fields += UPGRADE if address.startswith("/api/v1/live") else [("Connection", b"close")]
    changed = {name for name, _ in changes}
    fields = [field for field in fields if field[0] not in changed] + list(changes)
    head = [f"{'POST' if body else 'GET'} {address} HTTP/1.1".encode()]
    return b"\r\n".join([*head, *(name.encode() + b": " + value for name, value in fields), b"", body])


async def statuses(attacker: Attacker, requests: Sequence[bytes]) -> list[int]:
    """Send requests, 32 at once, and return the status codes; 0 for a closed connection."""
    places = asyncio.Semaphore(32)

    async def status(data: bytes) -> int:
        async with places:
            client = await attacker.connect(data)
            head = await client.head()
            await client.close()
        return int(head.split(b" ", 2)[1]) if head else 0

    return list(await asyncio.gather(*(status(data) for data in requests)))


def check(found: Sequence[int], requests: Sequence[bytes], caplog: pytest.LogCaptureFixture) -> None:
    failed = [data[:200] for status, data in zip(found, requests, strict=True) if status >= 500]
    assert failed == []
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) <= MAX_LOG_LINES, lines
    assert not any("error in Hassette" in line for line in lines), caplog.text[:3_000]


@pytest.mark.parametrize(
    "name", [*FIELDS, *(pytest.param(name, marks=pytest.mark.long) for name in FIELDS_OF_LIBRARIES)]
)
async def test_invalid_input_in_a_header_field_is_no_server_error(
    attacker: Attacker, open_attacker: Attacker, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for one, addresses in ((open_attacker, ADDRESSES), (attacker, GUARDED)):
        requests = [request(address, [(name, value)]) for value in VALUES for address in addresses]
        requests += [request(address, [(name, b"a"), (name, b"b")]) for address in addresses]
        check(await statuses(one, requests), requests, caplog)


async def test_websocket_with_a_long_field_or_many_fields_gets_an_answer_and_holds_no_connection(
    attacker: Attacker, open_attacker: Attacker
) -> None:
    for one in (attacker, open_attacker):
        for fields in ([("X-Long", b"x" * 9_000)], [(f"X-{number}", b"") for number in range(200)]):
            client = await one.connect(request("/api/v1/live", fields))
            answer = await client.received()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"urn:hassette:problem:invalid_http" in answer


PARTS = ("%00", "%ff%fe", "%0d%0aX:1", "..", "[", "http:%2f%2fevil", "%F0%9F%98%80" * 60, "9" * 4_000, "%ed%a0%80", "%")
MORE_PARTS = ("%2e%2e", "%5c", "%zz", "-1", "1e9", "nan", "'\"", "//evil.example/", ";", "&&==&", "a" * 4_000, "%20")
PATHS = (
    "/{}",
    "/{}/",
    "/runs/{}",
    "/runs/{}/",
    "/registrations/{}",
    "/apps/{}",
    "/errors/{}",
    "/static/{}",
    "/login/{}",
    "/api/v1/runs/{}",
    "/api/v1/apps/{}",
    "/api/v1/sessions/{}",
    "/api/v1/runs/{}/waterfall",
    "/{}/runs",
)
NAMES = (
    "since",
    "until",
    "app",
    "registration",
    "status",
    "text",
    "entity",
    "session",
    "error_group",
    "cursor",
    "limit",
    "min_duration_us",
    "sort",
    "events",
    "lost",
    "routine",
    "level",
    "run",
    "group",
    "reason",
    "at",
    "q",
    "of",
    "service",
    "state",
    "against",
    "kind",
    "notice",
    "next",
    "key",
    "after",
    "at_most",
    "token",
    "v",
    "find",
)
PAGES = (
    "/",
    "/runs",
    "/handlers",
    "/logs",
    "/events",
    "/compare",
    "/not-runs",
    "/ask",
    "/why",
    "/why-not",
    "/sessions",
    "/login",
    "/api/v1/runs",
    "/api/v1/why",
    "/api/v1/compare",
    "/api/v1/timeline",
    "/api/v1/live",
    "/home",
    "/errors",
)


@pytest.mark.parametrize(
    "part", [*PARTS, *(pytest.param(part, marks=pytest.mark.long) for part in MORE_PARTS)], ids=lambda part: part[:12]
)
async def test_invalid_input_in_an_address_is_no_server_error(
    open_attacker: Attacker, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = [path.format(part) for path in PATHS] + [f"/runs?{part}", f"/?{part}={part}"]
    addresses += [f"{page}?{name}={part}" for page, name in zip(itertools.cycle(PAGES), NAMES, strict=False)]
    requests = [request(address) for address in addresses]
    check(await statuses(open_attacker, requests), requests, caplog)


@pytest.mark.parametrize(
    "line", ["GET ?", "GET *", "OPTIONS *", "GET runs", "GET http://localhost/runs", "CONNECT a:1"]
)
@pytest.mark.parametrize("prefix", ["//evil.example", "/a/../..", "/x\\y", "/a%0d%0a", "/" + "p" * 900])
async def test_unusual_target_under_a_strange_prefix_leads_to_no_other_host(
    attacker: Attacker, line: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("X-Ingress-Path", "X-Forwarded-Prefix"):
        data = (
            f"{line} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{name}: {prefix}\r\nConnection: close\r\n\r\n"
        )
        head = await (await attacker.connect(data.encode())).head()
        assert 200 <= int(head.split(b" ", 2)[1]) < 500
        location = next((row[10:] for row in head.split(b"\r\n") if row.lower().startswith(b"location: ")), b"")
        assert not location.startswith((b"//", b"/\\", b"http"))
    check([], [], caplog)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"[" * 60_000,
        b'{"job": "\\ud800"}',
        b'{"job": ' + b"9" * 5_000 + b"}",
        b'{"job": NaN}',
        b'{"job": "a", "job": ["b"]}',
        b"job=%ff&job",
        b"\xff\xfe{",
        b"&" * 60_000,
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_invalid_input_in_a_body_is_no_server_error(
    open_attacker: Attacker, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = (
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"multipart/form-data; boundary=x",
    )
    requests = [
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (address, kind, len(body), body)
        for address in (b"/login", b"/logout", b"/control", b"/api/v1/jobs/run", b"/api/v1/errors/1/silence", b"/mcp")
        for kind in kinds
    ]
    check(await statuses(open_attacker, requests), requests, caplog)


async def live(attacker: Attacker, query: str = "") -> Client:
    client = await attacker.connect(request(f"/api/v1/live{query}"))
    assert (await client.head()).startswith(b"HTTP/1.1 101")
    return client


def frame(first: int, payload: bytes, masked: bool = True) -> bytes:
    """Return a WebSocket frame with its first byte and a short payload."""
    assert len(payload) < 126
    mask = b"mask"
    data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)) if masked else payload
    return bytes([first, len(payload) | (0x80 if masked else 0)]) + (mask if masked else b"") + data


@pytest.mark.parametrize(
    "data",
    [
        frame(0x81, b"\xff\xfe"),
        frame(0x82, b"\x00\x01"),
        frame(0x01, b"a"),
        frame(0x80, b"a"),
        frame(0x83, b"a"),
        frame(0xF1, b"a"),
        frame(0x89, b"a", masked=False),
        frame(0x09, b"a"),
        frame(0x88, b"\x00"),
        frame(0x88, b"\x03\xe8\xff"),
        b"\x81\xff" + b"\xff" * 8,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=lambda data: data[:4].hex(),
)
async def test_invalid_input_in_a_live_connection_fills_no_log_and_stops_no_other_client(
    open_attacker: Attacker, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        client = await live(open_attacker)
        await client.send(data)
        client.writer.write_eof()
        await client.received()
    other = await live(open_attacker)
    assert b'"hello"' in await other.reader.read(1_000)
    check([], [], caplog)


async def test_message_of_a_live_client_is_ignored(open_attacker: Attacker) -> None:
    client = await live(open_attacker)
    assert b'"hello"' in await client.reader.read(1_000)
    for first in (0x81, 0x82) * 20:
        await client.send(frame(first, b"x"))
    await client.send(frame(0x89, b"still here"))
    assert b"still here" in await asyncio.wait_for(client.reader.read(1_000), patience(10))


async def test_reason_for_the_end_of_a_live_connection_fits_into_its_frame(
    open_attacker: Attacker, caplog: pytest.LogCaptureFixture
) -> None:
    client = await live(open_attacker, f"?after={quote('😀' * 40)}")
    # A frame that closes: opcode 8, at most 125 bytes, code 1007.
    found = await client.reader.readexactly(4)
    assert (found[0], found[2:4]) == (0x88, (1007).to_bytes(2))
    assert found[1] <= 125
    check([], [], caplog)


def test_repeated_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    from hassette_sync.web.refusals import RefusalLog

    now = 0.0
    log = RefusalLog(lambda: now)

    def failure(number: str) -> Exception:
        with pytest.raises(ValueError, match="invalid") as raised:
            int(number)
        return raised.value

    for _ in range(50):
        log.report_error("Request failed", failure("x"))
        log.report_error("Request failed", KeyError("x"))
    assert len(caplog.records) == 2
    now = 3_600.0
    log.report_error("Request failed", failure("y"))
    assert len(caplog.records) == 3


async def test_cookie_of_backslashes_costs_no_more_than_another_one(attacker: Attacker) -> None:
    async def cpu_time(value: bytes) -> float:
        began = time.process_time()
        client = await attacker.connect(request("/api/v1/losses", [("Cookie", b'a="%b"' % value)]))
        assert (await client.head()).startswith(b"HTTP/1.1 401")
        return time.process_time() - began

    usual = [await cpu_time(b"x" * 15_000) for _ in range(5)]
    strange = [await cpu_time(b"\\" * 15_000) for _ in range(5)]
    assert min(strange) < 30 * min(usual)  # with http.cookies on Python 3.11.7: about 300


async def test_origin_that_is_no_address_is_refused_with_403(attacker: Attacker) -> None:
    for address in ("/login", "/api/v1/live"):
        client = await attacker.connect(request(address, [("Origin", b"http://[")]))
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 403"), (address, head)
