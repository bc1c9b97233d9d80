"""The pages on a real socket: the port, stopping, and the live stream."""

import asyncio
import contextlib
import itertools
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.plugin import create_service, create_web_service
from hassette_sync.settings import WebSettings

websockets = pytest.importorskip("websockets")
TOKEN = "a-secret-of-many-letters"


def ended(id_: int, message: str = "no") -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(
        id=id_,
        registration=SimpleNamespace(app="hall", instance="main", name="tidy", schedule="every 5 min"),
        trigger=SimpleNamespace(due_us=1, manual=False),
        started_us=1,
        duration_us=2,
        waited_us=3,
        status="error",
        failure=SimpleNamespace(type="ValueError", message=message),
    )


def live_address(url: str | None, after: int | str = 0) -> str:
    assert url is not None
    return f"{url.replace('http', 'ws', 1)}api/live?after={after}"


async def test_a_service_says_where_it_is_and_gives_the_port_back(plausible: Path) -> None:
    service = create_service(data_dir=plausible.parent, settings={"port": 0}, live=MemoryFeed())
    assert service.url is None
    async with service:
        url = service.url
        assert url is not None
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).status_code == 200
    assert service.url is None
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", httpx.URL(url).port or 0))


def test_a_refused_token_is_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"^token must be text, got int$"):
        WebSettings.from_mapping({"token": 1234567890123456})


async def test_a_busy_port_is_one_clear_sentence(plausible: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = create_web_service(DataSyncService(plausible), WebSettings(port=port))
        with pytest.raises(OSError, match=f"Port {port} on 127.0.0.1 is in use by another program. Set port"):
            await service.start()
        await service.stop()


async def test_an_address_that_is_not_ours_is_one_clear_sentence(plausible: Path) -> None:
    service = create_web_service(DataSyncService(plausible), WebSettings(host="192.0.2.1", port=0, token=TOKEN))
    with pytest.raises(OSError, match="cannot be opened for the pages"):
        await service.start()


@pytest.mark.parametrize("at_once", [False, True], ids=["at its tick", "at once"])
async def test_stopping_takes_less_than_a_second_with_clients_connected(
    plausible: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    async def look_all_the_time(server: Any) -> None:
        while not server.should_exit:  # noqa: ASYNC110  uvicorn has no event to wait for
            await asyncio.sleep(0)

    if at_once:
        # It looks each 0.1 s: at times just when it is told to stop, and before a client is.
        monkeypatch.setattr("uvicorn.Server.main_loop", look_all_the_time)
    service = create_web_service(DataSyncService(plausible, MemoryFeed()), WebSettings(port=0))
    await service.start()
    serving = asyncio.create_task(service.serve())
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(websockets.connect(live_address(service.url))) for _ in range(5)]
        for client in clients:
            assert json.loads(await client.recv())["type"] == "hello"
        begin = time.perf_counter()
        await service.stop()
        await service.stop()  # idempotent
        assert time.perf_counter() - begin < 1
        for client in clients:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
    await asyncio.wait_for(serving, 1)


async def test_a_watchdog_may_ask_for_the_head_alone(plausible: Path) -> None:
    async with (
        create_web_service(DataSyncService(plausible), WebSettings(port=0)) as service,
        httpx.AsyncClient(base_url=str(service.url)) as client,
    ):
        for path in ("/healthz", "/readyz", "/", "/static/live.js", "/api/status"):
            head, whole = await client.head(path), await client.get(path)
            assert (head.status_code, head.content) == (whole.status_code, b""), path


async def test_a_client_that_reads_nothing_is_waited_for_and_does_not_spoil_the_end(plausible: Path) -> None:
    feed = MemoryFeed()
    with socket.socket() as client:
        # What serving raises comes out of leaving the context.
        async with create_web_service(DataSyncService(plausible, feed), WebSettings(port=0)) as service:
            assert service.url is not None
            client.connect(("127.0.0.1", int(service.url.rstrip("/").rpartition(":")[2])))
            client.sendall(
                b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            numbers = itertools.count(1)
            async with asyncio.timeout(20):
                while not (held := _held_for_slow_readers(service)):
                    feed.publish(ended(next(numbers), message="x" * 1_000_000))
                    await asyncio.sleep(0.01)
            for _ in range(20):
                feed.publish(ended(next(numbers), message="x" * 1_000_000))
                await asyncio.sleep(0.01)
            assert _held_for_slow_readers(service) <= held, "what nobody reads must not pile up in memory"


def _held_for_slow_readers(service: Any) -> int:
    """Return how many bytes wait in the connections that are over their limit."""
    transports = [one.transport for one in service._server.server_state.connections]
    sizes = [(one.get_write_buffer_size(), one.get_write_buffer_limits()[1]) for one in transports]
    return sum(size for size, limit in sizes if size > limit)


async def test_cancelling_serve_ends_it_and_stop_is_still_safe(plausible: Path) -> None:
    service = create_web_service(DataSyncService(plausible), WebSettings(port=0))
    await service.start()
    serving = asyncio.create_task(service.serve())
    async with websockets.connect(live_address(service.url)) as client:
        await client.recv()
        serving.cancel()
        begin = time.perf_counter()
        with pytest.raises(asyncio.CancelledError):
            await serving
        await service.stop()
        assert time.perf_counter() - begin < 2


async def test_the_live_stream_pushes_within_250_ms_and_a_returning_client_misses_nothing(
    new_history: Callable[..., Any], now_us: int
) -> None:
    feed = MemoryFeed(retained=2)
    with new_history() as history:
        history.session(now_us)
        listener = history.listener("hall", "on_motion", "t")
        ids = [history.run(listener, now_us - 10_000_000 + n * 1000) for n in range(1_200)]
    async with create_web_service(DataSyncService(history.path, feed), WebSettings(port=0)) as service:
        async with websockets.connect(live_address(service.url)) as client:
            hello = json.loads(await client.recv())
            assert abs(hello.pop("at_us") - now_us) < 60_000_000
            assert hello == {"type": "hello", "last_id": "0", "source": "feed", "runs": [], "reason": ""}
            begin = time.perf_counter()
            feed.publish(ended(ids[-1] + 1))
            message = json.loads(await client.recv())
            assert time.perf_counter() - begin < 0.25
            assert message["last_id"] == message["runs"][0]["id"] == str(ids[-1] + 1)
            assert message["runs"][0]["failure"]["type"] == "ValueError"
        feed.publish(ended(ids[-1] + 2))
        async with websockets.connect(live_address(service.url, after=ids[99])) as client:
            heard: list[int] = []
            while not heard or heard[-1] != ids[-1] + 2:
                heard += [int(run["id"]) for run in json.loads(await client.recv())["runs"]]
        assert heard == [*ids[100:], ids[-1] + 1, ids[-1] + 2]


async def hear(client: Any, until: int) -> list[Any]:
    """Collect messages up to the one that says this id."""
    messages: list[Any] = []
    async with asyncio.timeout(10):
        while not messages or int(messages[-1]["last_id"]) < until:
            messages.append(json.loads(await client.recv()))
    return messages


async def test_a_text_that_cannot_be_sent_as_it_is_does_not_end_the_live_stream(plausible: Path) -> None:
    feed = MemoryFeed()
    odd = ended(2**62)
    odd.registration.name = odd.failure.message = "caf\udce9"
    async with (
        create_web_service(DataSyncService(plausible, feed), WebSettings(port=0)) as service,
        websockets.connect(live_address(service.url)) as client,
    ):
        await client.recv()
        feed.publish(odd)
        feed.publish(ended(2**62 + 1))
        heard = [run["name"] for message in await hear(client, 2**62 + 1) for run in message["runs"]]
    assert heard == ["caf?", "tidy"]


@pytest.mark.parametrize("live", [True, False], ids=["feed", "file"])
async def test_a_page_that_was_away_for_long_is_told_to_reload_and_not_of_each_run(
    new_history: Callable[..., Any], now_us: int, live: bool
) -> None:
    feed = MemoryFeed()
    with new_history() as history:
        history.session(now_us)
        listener = history.listener("hall", "on_motion", "t")
        ids = [history.run(listener, now_us - 10_000_000 + n * 1000, status="error") for n in range(300)]
        data = DataSyncService(history.path, feed if live else None)
        async with create_web_service(data, WebSettings(port=0)) as service:
            address = live_address(service.url, after=ids[0]) + "&at_most=100"
            async with websockets.connect(address) as client:
                hello, missed = await hear(client, ids[-1])
                assert (hello["type"], missed["type"], missed["runs"]) == ("hello", "reload", [])
                new = history.run(listener, now_us, status="error")
                feed.publish(ended(new))
                (message,) = await hear(client, new)
                assert [run["id"] for run in message["runs"]] == [str(new)], "from then on, all is told"
            async with websockets.connect(live_address(service.url, after=ids[-100]) + "&at_most=100") as client:
                _, *messages = await hear(client, new)
                assert [int(run["id"]) for one in messages for run in one["runs"]] == [*ids[-99:], new]


async def test_a_page_that_knows_no_run_is_not_told_all_that_the_feed_remembers(plausible: Path) -> None:
    feed = MemoryFeed()
    feed.publish(*(ended(id_) for id_ in range(1, 501)))
    async with (
        create_web_service(DataSyncService(plausible, feed), WebSettings(port=0)) as service,
        websockets.connect(live_address(service.url) + "&at_most=100") as client,
    ):
        _, remembered = await hear(client, 500)
        assert (remembered["type"], remembered["runs"]) == ("reload", [])


async def test_a_page_that_waits_for_a_history_reloads_when_one_with_a_past_appears(
    tmp_path: Path, plausible: Path
) -> None:
    path = tmp_path / "later.db"
    async with (
        create_web_service(DataSyncService(path), WebSettings(port=0)) as service,
        websockets.connect(live_address(service.url) + "&at_most=100") as client,
    ):
        assert json.loads(await client.recv())["type"] == "hello"
        # It has looked for the file by then, in vain.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 0.3)
        with contextlib.closing(sqlite3.connect(plausible)) as source:
            source.execute("VACUUM INTO ?", (str(tmp_path / "filled.db"),))
        (tmp_path / "filled.db").rename(path)
        message = json.loads(await asyncio.wait_for(client.recv(), 10))
        assert (message["type"], message["runs"]) == ("reload", [])


async def test_a_slow_client_is_told_that_it_was_dropped(plausible: Path) -> None:
    feed = MemoryFeed(bound=10)
    async with (
        create_web_service(DataSyncService(plausible, feed), WebSettings(port=0)) as service,
        websockets.connect(live_address(service.url)) as client,
    ):
        feed.publish(ended(1))
        while json.loads(await client.recv())["type"] != "runs":
            pass
        feed.publish(*(ended(id_) for id_ in range(2, 20)))
        dropped = json.loads(await client.recv())
        assert (dropped["type"], dropped["last_id"]) == ("dropped", "1")
        assert "18 runs behind" in dropped["reason"]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


async def test_a_live_client_needs_the_token_and_an_own_origin(plausible: Path) -> None:
    async with create_web_service(DataSyncService(plausible), WebSettings(port=0, token=TOKEN)) as service:
        address = live_address(service.url)
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(address, additional_headers=headers)
        admitted = {"Authorization": f"Bearer {TOKEN}"}
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(address, additional_headers=admitted, origin="http://evil.example")
        async with websockets.connect(address, additional_headers=admitted) as client:
            assert json.loads(await client.recv())["type"] == "hello"


async def test_a_live_client_with_a_bad_number_is_told(plausible: Path) -> None:
    async with (
        create_web_service(DataSyncService(plausible), WebSettings(port=0)) as service,
        websockets.connect(live_address(service.url, "soon")) as client,
    ):
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert "not a valid id" in closed.value.rcvd.reason


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"prot": 1}, "prot is not a setting of sync; there are: host, port, token"),
        ({"port": "80"}, "port must be a whole number, got '80'"),
        ({"port": True}, "port must be a whole number"),
        ({"port": 70_000}, "port must be from 1 to 65535, or 0 for any free port, got 70000"),
        ({"host": "0.0.0.0"}, "host must be a loopback address .* unless token is set, got '0.0.0.0'"),
        ({"host": "::"}, "unless token is set"),
        ({"host": "hassette.example"}, "unless token is set"),
        ({"token": "short"}, "token must be a secret of at least 16 characters, got 5 characters"),
        ({"allowed_hosts": "one"}, "allowed_hosts must be a list of texts"),
        ({"query_deadline_s": 0}, "query_deadline_s must be above 0"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_the_key(
    tmp_path: Path, settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        create_service(data_dir=tmp_path, settings=settings, live=MemoryFeed())


def test_a_token_is_never_in_an_error() -> None:
    with pytest.raises(ValueError) as complaint:
        WebSettings(token="hunter2")
    assert "hunter2" not in str(complaint.value)


def test_without_the_extra_the_package_works_and_says_how_to_install_the_pages(tmp_path: Path) -> None:
    program = """
import sys
for name in ("fastapi", "uvicorn", "jinja2", "websockets", "starlette"):
    sys.modules[name] = None
import hassette_sync, hassette_sync.cli
from hassette_sync.plugin import create_service
try:
    create_service(data_dir=__import__("pathlib").Path("."), settings={}, live=hassette_sync.NoFeed())
except ImportError as error:
    print(type(error).__name__, error)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.startswith("WebNotInstalledError The pages need ")
    assert "pip install 'hassette-sync[web]'" in found.stdout


def test_importing_the_package_loads_no_web_framework_and_no_alembic() -> None:
    program = (
        "import sys, hassette_sync, hassette_sync.cli;"
        "print([name for name in ('fastapi', 'uvicorn', 'jinja2', 'alembic', 'sqlalchemy', 'hassette_executor',"
        " 'hassette_core') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "[]"
