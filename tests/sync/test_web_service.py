"""The pages on a real socket: the port, stopping, and the live stream."""

import asyncio
import contextlib
import gc
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

from hassette_sync import DataSyncService, HistoryUnavailableError, MemoryFeed, NoControl
from hassette_sync.plugin import create_service, create_web_service
from hassette_sync.settings import WebSettings
from hassette_sync.web.service import WebService
from support.patient_data import patient_data
from support.waiting import eventually, patience
from support.web_clients import http_client, live_client

pytestmark = pytest.mark.heavy

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
    return f"{url.replace('http', 'ws', 1)}api/v1/live?after={after}"


async def test_service_has_a_url_and_releases_its_port(plausible: Path) -> None:
    service = create_service(data_dir=plausible.parent, settings={"port": 0}, live=MemoryFeed(), control=NoControl())
    assert service.url is None
    async with service:
        url = service.url
        assert url is not None
        async with http_client() as client:
            assert (await client.get(url)).status_code == 200
    assert service.url is None
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", httpx.URL(url).port or 0))


def test_refused_token_is_not_in_the_error() -> None:
    with pytest.raises(ValueError, match=r"^token must be text, got int$"):
        WebSettings.from_mapping({"token": 1234567890123456})


async def test_port_in_use_is_a_clear_error(plausible: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = create_web_service(patient_data(plausible), WebSettings(port=port))
        with pytest.raises(OSError, match=f"Port {port} on 127.0.0.1 is in use by another program. Set port"):
            await service.start()
        await service.stop()


async def test_address_of_another_machine_is_a_clear_error(plausible: Path) -> None:
    service = create_web_service(patient_data(plausible), WebSettings(host="192.0.2.1", port=0, token=TOKEN))
    with pytest.raises(OSError, match="cannot be opened for the pages"):
        await service.start()


@pytest.mark.parametrize("at_once", [False, True], ids=["polling", "at-once"])
async def test_stop_with_connected_clients_takes_less_than_a_second(
    plausible: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    async def poll_without_pause(server: Any) -> None:
        while not server.should_exit:  # noqa: ASYNC110  uvicorn has no event to wait for
            await asyncio.sleep(0)

    if at_once:
        # uvicorn polls every 0.1 s, so it rarely notices the stop before the clients are closed. With this loop,
        # it always does.
        monkeypatch.setattr("uvicorn.Server.main_loop", poll_without_pause)
    service = create_web_service(patient_data(plausible, MemoryFeed()), WebSettings(port=0))
    await service.start()
    serving = asyncio.create_task(service.serve())
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(live_client(live_address(service.url))) for _ in range(5)]
        for client in clients:
            assert json.loads(await client.recv())["type"] == "hello"
        async with asyncio.timeout(patience(10)):  # the clients do not close their connections
            await service.stop()
            await service.stop()  # idempotent
        for client in clients:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
    await asyncio.wait_for(serving, patience(10))


async def test_head_requests_are_answered(plausible: Path) -> None:
    async with (
        create_web_service(patient_data(plausible), WebSettings(port=0)) as service,
        http_client(base_url=str(service.url)) as client,
    ):
        for path in ("/health/live", "/health/ready", "/", "/static/live.js", "/api/v1/status"):
            head, whole = await client.head(path), await client.get(path)
            assert (head.status_code, head.content) == (whole.status_code, b""), path


async def test_client_that_never_reads_uses_bounded_memory_and_does_not_delay_stop(plausible: Path) -> None:
    feed = MemoryFeed()
    with socket.socket() as client:
        # Leaving the context raises the errors of serve().
        async with create_web_service(patient_data(plausible, feed), WebSettings(port=0)) as service:
            assert service.url is not None
            client.connect(("127.0.0.1", int(service.url.rstrip("/").rpartition(":")[2])))
            client.sendall(
                b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            numbers = itertools.count(1)

            def publish() -> None:
                feed.publish(ended(next(numbers), message="x" * 1_000_000))

            transport = await eventually(lambda: transport_to(client), what="the server accepts the client")
            size = await eventually(lambda: publish() or buffered(transport), 20, "the server waits for the client")
            for _ in range(20):
                publish()
                await asyncio.sleep(0.01)
            assert buffered(transport) <= size, "unread messages must not accumulate in memory"


def transport_to(client: socket.socket) -> asyncio.WriteTransport | None:
    """Return the server's transport for a client that is connected in this process."""
    for one in gc.get_objects():
        # isinstance() would access the object behind a weak proxy, which may no longer exist. type() does not.
        if not issubclass(type(one), asyncio.WriteTransport):
            continue
        if one.get_extra_info("peername") == client.getsockname():
            return one
    return None


def buffered(transport: asyncio.WriteTransport) -> int:
    """Return the bytes in the write buffer, or 0 while they are below the limit at which the server must wait."""
    size = transport.get_write_buffer_size()
    return size if size > transport.get_write_buffer_limits()[1] else 0


async def test_stop_is_safe_after_serve_was_cancelled(plausible: Path) -> None:
    service = create_web_service(patient_data(plausible), WebSettings(port=0))
    await service.start()
    serving = asyncio.create_task(service.serve())
    async with live_client(live_address(service.url)) as client:
        await client.recv()
        serving.cancel()
        async with asyncio.timeout(patience(10)):
            with pytest.raises(asyncio.CancelledError):
                await serving
            await service.stop()


async def test_live_stream_sends_within_250_ms_and_resumes_without_a_gap(
    new_history: Callable[..., Any], now_us: int
) -> None:
    feed = MemoryFeed(retained=6)
    with new_history() as history:
        history.session(now_us)
        listener = history.listener("hall", "on_motion", "t")
        ids = [history.run(listener, now_us - 10_000_000 + n * 1000) for n in range(1_200)]
    async with create_web_service(patient_data(history.path, feed), WebSettings(port=0)) as service:
        async with live_client(live_address(service.url)) as client:
            hello = json.loads(await client.recv())
            assert abs(hello.pop("at_us") - now_us) < 60_000_000
            assert hello == {"type": "hello", "last_id": "0", "source": "feed", "runs": [], "reason": ""}
            took: list[float] = []
            for number in range(1, 6):
                begin = time.perf_counter()
                feed.publish(ended(ids[-1] + number))
                message = json.loads(await client.recv())
                took.append(time.perf_counter() - begin)
                assert message["last_id"] == message["runs"][0]["id"] == str(ids[-1] + number)
                assert message["runs"][0]["failure"]["type"] == "ValueError"
            assert min(took) < patience(0.25)  # on a busy machine, single messages take longer
        feed.publish(ended(ids[-1] + 6))
        async with live_client(live_address(service.url, after=ids[99])) as client:
            received: list[int] = []
            while not received or received[-1] != ids[-1] + 6:
                received += [int(run["id"]) for run in json.loads(await client.recv())["runs"]]
        assert received == [*ids[100:], *range(ids[-1] + 1, ids[-1] + 7)]


async def receive_until(client: Any, last_id: int) -> list[Any]:
    """Collect messages up to the one with this last id."""
    messages: list[Any] = []
    async with asyncio.timeout(patience(10)):
        while not messages or int(messages[-1]["last_id"]) < last_id:
            messages.append(json.loads(await client.recv()))
    return messages


async def test_text_that_utf_8_cannot_encode_does_not_end_the_live_stream(plausible: Path) -> None:
    feed = MemoryFeed()
    odd = ended(2**62)
    odd.registration.name = odd.failure.message = "caf\udce9"
    async with (
        create_web_service(patient_data(plausible, feed), WebSettings(port=0)) as service,
        live_client(live_address(service.url)) as client,
    ):
        await client.recv()
        feed.publish(odd)
        feed.publish(ended(2**62 + 1))
        received = [run["name"] for message in await receive_until(client, 2**62 + 1) for run in message["runs"]]
    assert received == ["caf?", "tidy"]


@pytest.mark.parametrize("live", [True, False], ids=["feed", "file"])
async def test_page_that_missed_many_runs_gets_one_reload(
    new_history: Callable[..., Any], now_us: int, live: bool
) -> None:
    feed = MemoryFeed()
    with new_history() as history:
        history.session(now_us)
        listener = history.listener("hall", "on_motion", "t")
        ids = [history.run(listener, now_us - 10_000_000 + n * 1000, status="error") for n in range(300)]
        data = patient_data(history.path, feed if live else None)
        async with create_web_service(data, WebSettings(port=0)) as service:
            address = live_address(service.url, after=ids[0]) + "&at_most=100"
            async with live_client(address) as client:
                hello, missed = await receive_until(client, ids[-1])
                assert (hello["type"], missed["type"], missed["runs"]) == ("hello", "reload", [])
                new = history.run(listener, now_us, status="error")
                feed.publish(ended(new))
                (message,) = await receive_until(client, new)
                assert [run["id"] for run in message["runs"]] == [str(new)], "later runs are sent one by one"
            async with live_client(live_address(service.url, after=ids[-100]) + "&at_most=100") as client:
                _, *messages = await receive_until(client, new)
                assert [int(run["id"]) for one in messages for run in one["runs"]] == [*ids[-99:], new]


@pytest.mark.parametrize("limit", ["", "&at_most=100"])
async def test_client_of_the_file_gets_a_reload_if_the_clock_was_set_back(
    new_history: Callable[..., Any], now_us: int, limit: str
) -> None:
    with new_history() as history:
        history.session(now_us)
        listener = history.listener("hall", "on_motion", "t")
        newest = history.run(listener, now_us - 10_000_000)
        async with (
            create_web_service(patient_data(history.path), WebSettings(port=0)) as service,
            live_client(live_address(service.url, after=newest + 2**40) + limit) as client,
        ):
            await client.recv()
            message = json.loads(await asyncio.wait_for(client.recv(), patience(10)))
            assert (message["type"], message["last_id"], message["runs"]) == ("reload", str(newest), [])


async def test_page_without_runs_gets_one_reload_for_the_runs_in_the_feed(plausible: Path) -> None:
    feed = MemoryFeed()
    feed.publish(*(ended(id_) for id_ in range(1, 501)))
    async with (
        create_web_service(patient_data(plausible, feed), WebSettings(port=0)) as service,
        live_client(live_address(service.url) + "&at_most=100") as client,
    ):
        _, remembered = await receive_until(client, 500)
        assert (remembered["type"], remembered["runs"]) == ("reload", [])


async def test_page_without_history_reloads_when_a_history_appears(tmp_path: Path, plausible: Path) -> None:
    path = tmp_path / "later.db"
    async with (
        create_web_service(patient_data(path), WebSettings(port=0)) as service,
        live_client(live_address(service.url) + "&at_most=100") as client,
    ):
        assert json.loads(await client.recv())["type"] == "hello"
        # During this wait, the server looks for the file and does not find it.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 0.3)
        with contextlib.closing(sqlite3.connect(plausible)) as source:
            source.execute("VACUUM INTO ?", (str(tmp_path / "filled.db"),))
        (tmp_path / "filled.db").rename(path)
        message = json.loads(await asyncio.wait_for(client.recv(), patience(10)))
        assert (message["type"], message["runs"]) == ("reload", [])


async def test_slow_client_gets_dropped_with_the_reason(plausible: Path) -> None:
    feed = MemoryFeed(bound=10)
    async with (
        create_web_service(patient_data(plausible, feed), WebSettings(port=0)) as service,
        live_client(live_address(service.url)) as client,
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


async def test_live_client_needs_the_token_and_the_same_origin(plausible: Path) -> None:
    async with create_web_service(patient_data(plausible), WebSettings(port=0, token=TOKEN)) as service:
        address = live_address(service.url)
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(websockets.InvalidStatus):
                await live_client(address, additional_headers=headers)
        admitted = {"Authorization": f"Bearer {TOKEN}"}
        with pytest.raises(websockets.InvalidStatus):
            await live_client(address, additional_headers=admitted, origin="http://evil.example")
        async with live_client(address, additional_headers=admitted) as client:
            assert json.loads(await client.recv())["type"] == "hello"


async def test_live_client_with_an_invalid_id_gets_the_reason(plausible: Path) -> None:
    async with (
        create_web_service(patient_data(plausible), WebSettings(port=0)) as service,
        live_client(live_address(service.url, "soon")) as client,
    ):
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert "after must be a whole number" in closed.value.rcvd.reason


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"prot": 1}, "prot is not a setting of sync; the settings are: host, port, token"),
        ({"port": "80"}, "port must be a whole number, got '80'"),
        ({"port": True}, "port must be a whole number"),
        ({"port": 70_000}, "port must be from 1 to 65535, or 0 for any free port, got 70000"),
        ({"host": "0.0.0.0"}, "host must be a loopback address .* unless token is set, got '0.0.0.0'"),
        ({"host": "::"}, "unless token is set"),
        ({"host": "hassette.example"}, "unless token is set"),
        ({"token": "short"}, "token must be a secret of at least 16 characters, got 5 characters"),
        ({"allowed_hosts": "one"}, "allowed_hosts must be a list of texts"),
        ({"allowed_hosts": ["https://home.example"]}, "allowed_hosts must be host names such as"),
        ({"allowed_hosts": ["home.example:443"]}, "allowed_hosts must be host names such as"),
        ({"allowed_hosts": ["home.example/hassette"]}, "allowed_hosts must be host names such as"),
        ({"allowed_hosts": ["*.example"]}, "allowed_hosts must be host names such as"),
        ({"allowed_hosts": ["."]}, "allowed_hosts must be host names such as"),
        ({"allowed_hosts": [""]}, "allowed_hosts must be host names such as"),
        ({"query_deadline_s": 0}, "query_deadline_s must be above 0"),
    ],
)
def test_invalid_setting_is_one_sentence_with_the_key(
    tmp_path: Path, settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        create_service(data_dir=tmp_path, settings=settings, live=MemoryFeed(), control=NoControl())


def test_short_token_is_not_in_the_error() -> None:
    with pytest.raises(ValueError) as complaint:
        WebSettings(token="hunter2")
    assert "hunter2" not in str(complaint.value)


def run_python(program: str) -> str:
    """Run a program in a new process and return its output."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience(30)).stdout


def test_package_without_the_extra_works_and_explains_how_to_install_it(tmp_path: Path) -> None:
    program = """
import sys
for name in ("fastapi", "uvicorn", "jinja2", "websockets", "starlette"):
    sys.modules[name] = None
import hassette_sync, hassette_sync.cli
from hassette_sync.plugin import create_service
try:
    live, control = hassette_sync.NoFeed(), hassette_sync.NoControl()
    create_service(data_dir=__import__("pathlib").Path("."), settings={}, live=live, control=control)
except ImportError as error:
    print(type(error).__name__, error)
"""
    output = run_python(program)
    assert output.startswith("WebNotInstalledError The pages need ")
    assert "pip install 'hassette-sync[web]'" in output


def test_import_loads_no_web_framework_no_alembic_and_no_rich() -> None:
    program = (
        "import sys, hassette_sync, hassette_sync.cli;"
        "print([name for name in ('fastapi', 'uvicorn', 'jinja2', 'alembic', 'sqlalchemy', 'rich',"
        " 'hassette_executor', 'hassette_core') if name in sys.modules])"
    )
    output = run_python(program)
    assert output.strip() == "[]"


class Preparing:
    """Records the preparation of the pages, and can hold or fail it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None, *, holds: bool = False) -> None:
        self.begun = asyncio.Event()
        self._error = error
        self._hold = asyncio.Event()
        if not holds:
            self._hold.set()
        monkeypatch.setattr("hassette_sync.web.service.PREPARE_AFTER_S", 0)
        monkeypatch.setattr(DataSyncService, "compared_overview", self._answer)

    async def _answer(self, *_: object, **__: object) -> None:
        self.begun.set()
        await self._hold.wait()
        if self._error is not None:
            raise self._error


async def test_overview_is_prepared_after_the_start(plausible: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preparing = Preparing(monkeypatch, holds=True)
    async with WebService(patient_data(plausible), WebSettings(port=0)) as service, http_client() as client:
        await asyncio.wait_for(preparing.begun.wait(), patience(10))
        assert (await client.get(f"{service.url}runs")).status_code == 200
    # The stop does not wait for the preparation, which would hold it for ever.


@pytest.mark.parametrize(("error", "logs"), [(HistoryUnavailableError("gone"), False), (RuntimeError("a bug"), True)])
async def test_failed_preparation_does_not_end_the_pages(
    plausible: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logs: bool,
) -> None:
    preparing = Preparing(monkeypatch, error)
    async with WebService(patient_data(plausible), WebSettings(port=0)) as service, http_client() as client:
        await asyncio.wait_for(preparing.begun.wait(), patience(10))
        assert (await client.get(f"{service.url}runs")).status_code == 200
    assert ("Preparation of the pages failed" in caplog.text) == logs


def test_answers_are_built_before_the_first_request_and_not_by_an_import() -> None:
    program = (
        "import hassette_sync.cli.main\n"
        "from hassette_sync import DataSyncService\n"
        "from hassette_sync.answers.overview import Overview\n"
        "from hassette_sync.answers.values import Answer, Counts\n"
        "def all_answers(one):\n"
        "    return {one}.union(*map(all_answers, one.__subclasses__()))\n"
        "print(Overview.__pydantic_complete__)\n"
        "from hassette_sync.settings import WebSettings\n"
        "from hassette_sync.web.application import create_app\n"
        "create_app(DataSyncService('missing.db'), WebSettings())\n"
        "print([one.__name__ for one in all_answers(Answer) if not one.__pydantic_complete__])\n"
    )
    assert run_python(program).split() == ["False", "[]"]
