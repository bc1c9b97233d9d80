"""The pages, the API and the live stream behind reverse proxies."""

import asyncio
import contextlib
import json
import logging
import re
import shutil
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from hassette_sync import MemoryFeed
from hassette_sync.plugin import create_web_service
from hassette_sync.settings import WebSettings
from support.patient_data import patient_data
from support.proxy import Proxy
from support.waiting import eventually
from support.web_clients import http_client, live_client, without_breaks

pytestmark = pytest.mark.heavy

websockets = pytest.importorskip("websockets")
TOKEN = "a-secret-of-many-letters"


@contextlib.asynccontextmanager
async def behind(path: Path, token: str | None = None, **options: Any) -> AsyncGenerator[str]:
    """Serve the pages of a history behind a proxy; yield the address of the proxy."""
    async with create_web_service(patient_data(path, MemoryFeed()), WebSettings(port=0, token=token)) as service:
        assert service.url is not None
        async with Proxy(upstream=service.url, **options).serve() as address:
            yield address


async def page_key(client: httpx.AsyncClient, address: str) -> tuple[str, str]:
    """Return the address of the live stream and the key, as the script on the page finds them."""
    page = await client.get(f"{address}/")
    assert page.status_code == 200
    found = re.search(r'data-stream="([^"]+)" data-key="([^"]+)"', page.text)
    assert found is not None
    return urljoin(str(page.url), found[1]).replace("http", "ws", 1), found[2]


async def hello(stream: str, key: str, origin: str) -> str:
    """Open the live stream as a page does; return the type of the first message."""
    async with live_client(f"{stream}?after=0&key={key}", origin=origin) as client:
        return json.loads(await client.recv())["type"]


@pytest.mark.parametrize("keeps_host", [False, True])
async def test_page_behind_a_proxy_opens_the_live_stream(plausible: Path, keeps_host: bool) -> None:
    async with behind(plausible, keeps_host=keeps_host) as address, http_client() as client:
        stream, key = await page_key(client, address)
        assert await hello(stream, key, address) == "hello"


async def test_page_of_another_site_cannot_open_the_live_stream_through_a_proxy(plausible: Path) -> None:
    async with behind(plausible) as address:
        stream = f"{address.replace('http', 'ws')}/api/v1/live"
        for key in ("", "guessed", "x" * 43, "\u00e9"):
            with pytest.raises(websockets.InvalidStatus):
                await hello(stream, key, "http://evil.example")


async def test_refused_live_connection_is_logged_once_with_the_fix(
    plausible: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with behind(plausible) as address:
            for _ in range(5):
                with pytest.raises(websockets.InvalidStatus):
                    await hello(f"{address.replace('http', 'ws')}/api/v1/live", "", "https://hassette.example")
    (record,) = [record for record in caplog.records if "Live connection was refused" in record.message]
    assert vars(record)["origin"] == "https://hassette.example"
    assert "Host" in vars(record)["to_allow_it"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_live_stream_without_its_upgrade_explains_what_to_set(
    plausible: Path, caplog: pytest.LogCaptureFixture, version: str
) -> None:
    async with behind(plausible, websockets="strip", version=version) as address, http_client() as client:
        stream, key = await page_key(client, address)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await hello(stream, key, address)
        answer = await client.get(stream.replace("ws", "http", 1))
    assert refused.value.response.status_code == answer.status_code == 426
    assert "let it pass on the headers Upgrade and Connection" in answer.json()["detail"]
    assert [record for record in caplog.records if "without its header Upgrade" in record.message]


PREFIXES = [
    {"prefix": "/api/hassio_ingress/x_Y-z", "adds": {"X-Ingress-Path": "/api/hassio_ingress/x_Y-z"}},
    {"prefix": "/hassette"},
    {"prefix": "/a/b", "adds": {"X-Forwarded-Prefix": "/a/b/"}},
    {"prefix": "/a/b", "adds": {"X-Forwarded-Prefix": "/a/b"}, "removes_prefix": False},
    {"prefix": "/a", "adds": {"X-Forwarded-Prefix": "javascript:alert(1)"}},
    {"prefix": "/%CE%BB", "removes_prefix": False, "adds": {"X-Forwarded-Prefix": "/%CE%BB"}},
    {"prefix": "/%CE%BB", "removes_prefix": False, "adds": {"X-Forwarded-Prefix": "/λ".encode().decode("latin-1")}},
]


@pytest.mark.parametrize(
    "options", [PREFIXES[0], *(pytest.param(one, marks=pytest.mark.long) for one in PREFIXES[1:])], ids=str
)
async def test_all_links_work_under_a_prefix(plausible: Path, options: dict[str, Any]) -> None:
    async with behind(plausible, **options) as address, http_client() as client:
        stream, key = await page_key(client, address)
        assert await hello(stream, key, address) == "hello"
        waiting, seen = [f"{address}/"], set[str]()
        while waiting and len(seen) < 60:
            page = await client.get(waiting.pop(0))
            assert page.status_code == 200, page.url
            if "text/html" not in page.headers["content-type"]:
                continue
            for found in re.findall(r'(?:href|src|action)="([^"#]+)', page.text):
                target = urljoin(str(page.url), found.replace("&amp;", "&"))
                assert target.startswith(f"{address}/"), (page.url, found)
                kind = re.sub(r"\d+", "N", urlsplit(target).path)
                if kind not in seen:
                    seen.add(kind)
                    waiting.append(target)
    kinds = {kind.removeprefix(options["prefix"]) for kind in seen}
    assert {"/", "/runs", "/runs/N", "/errors/N", "/registrations/N", "/static/live.js", "/sessions"} <= kinds


@pytest.mark.parametrize("options", [{}, *PREFIXES], ids=str)
async def test_signing_in_works_under_a_prefix(plausible: Path, options: dict[str, Any]) -> None:
    html = {"accept": "text/html"}
    async with (
        behind(plausible, TOKEN, **options) as address,
        http_client(follow_redirects=True, headers=html) as client,
    ):
        form = await client.get(f"{address}/runs/7?x=1")
        assert str(form.url).startswith(f"{address}/login?next=")
        found = re.search(r'action="([^"]+)"', form.text)
        next_page = re.search(r'name="next" value="([^"]+)"', form.text)
        assert found is not None
        assert next_page is not None
        assert next_page[1] == "/runs/7?x=1"
        page = await client.post(urljoin(str(form.url), found[1]), data={"token": TOKEN, "next": "/runs?status=failed"})
        assert (page.status_code, str(page.url)) == (200, f"{address}/runs?status=failed")
        stream, key = await page_key(client, address)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        async with live_client(f"{stream}?key={key}", origin=address, additional_headers={"Cookie": cookies}) as live:
            assert json.loads(await live.recv())["type"] == "hello"


async def test_slash_at_the_end_of_an_address_redirects_without_the_host_name(plausible: Path) -> None:
    async with (
        behind(plausible, prefix="/hassette") as address,
        http_client(follow_redirects=True) as client,
    ):
        for asked, expected in (
            ("/runs/", "/runs"),
            ("/errors/1/?since=7d", "/errors/1?since=7d"),
            ("//runs", "//runs"),
        ):
            page = await client.get(address + asked)
            assert (page.status_code, str(page.url)) == (200, address + expected)
            assert page.history == [] or not page.history[0].headers["location"].startswith(("http", "/"))


@pytest.mark.parametrize("token", [None, TOKEN], ids=["without a token", "with a token"])
@pytest.mark.parametrize("path", ["/", "", "/runs/7", "/login", "/static/live.js", "/api/v1/status"])
async def test_prefix_that_a_proxy_does_not_remove_is_named_with_the_fix(
    plausible: Path, path: str, token: str | None
) -> None:
    async with (
        behind(plausible, token, prefix="/hassette", removes_prefix=False) as address,
        http_client(headers={"accept": "text/html"}) as client,
    ):
        page = await client.get(address + path)
    # A redirection of /hassette/ to /hassette would never end, because nginx redirects /hassette to /hassette/.
    assert page.status_code == 404
    assert "If a proxy adds /hassette to the path, let it remove this prefix, or send it in the header" in page.text


@pytest.mark.parametrize(
    "prefix",
    [
        *("/" + "p" * 501, "/..", "/a/../b", "/./x", "//evil.example", "/a b", "/\\evil"),
        # To a browser or a proxy, these forms are the same as those above.
        *("/%2e%2e", "/.%2E/x", "/a/%2e", "/a%2f..%2fb", "/a%5c..%5cb", "/%2fevil.example"),
    ],
)
async def test_prefix_that_is_none_leaves_links_relative(plausible: Path, prefix: str) -> None:
    async with behind(plausible, adds={"X-Forwarded-Prefix": prefix}) as address, http_client() as client:
        page = await client.get(f"{address}/runs/7/x", headers={"accept": "text/html"})
    assert set(re.findall(r'href="([^"#]*static/)', page.text)) == {"../../static/"}


async def test_address_with_the_host_in_the_first_line_is_answered(plausible: Path) -> None:
    async def ask(url: str, host: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    async with create_web_service(patient_data(plausible, MemoryFeed()), WebSettings(port=0)) as service:
        port = urlsplit(service.url or "").port
        assert await ask("http://localhost/runs?since=7d", "other.example") == b"HTTP/1.1 200 OK"
        assert await ask("HTTP://127.0.0.1:8765/api/v1/status", "x") == b"HTTP/1.1 200 OK"
        assert (await ask("http://localhost", "localhost")) == b"HTTP/1.1 200 OK"
        assert (await ask("http://other.example/runs", "localhost")).startswith(b"HTTP/1.1 421")


async def test_wrong_address_of_a_known_page_is_not_blamed_on_a_proxy(plausible: Path) -> None:
    async with behind(plausible) as address, http_client() as client:
        page = await client.get(f"{address}/runs/7/x")
    assert page.status_code == 404
    assert "There is no page /runs/7/x." in without_breaks(page.text)
    assert "proxy" not in page.text


async def test_token_is_accepted_in_another_header_if_a_proxy_needs_the_usual_one(plausible: Path) -> None:
    removes = frozenset({"authorization"})
    async with behind(plausible, TOKEN, removes=removes) as address, http_client() as client:
        usual = await client.get(f"{address}/api/v1/status", headers={"Authorization": f"Bearer {TOKEN}"})
        other = await client.get(f"{address}/api/v1/status", headers={"X-Hassette-Token": TOKEN})
        wrong = await client.get(f"{address}/api/v1/status", headers={"X-Hassette-Token": f"{TOKEN}x"})
    assert (usual.status_code, other.status_code, wrong.status_code) == (401, 200, 401)
    assert "X-Hassette-Token" in usual.json()["detail"]


async def test_unknown_host_name_is_named_with_the_setting(plausible: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with behind(plausible, keeps_host=True) as address, http_client() as client:
        refused = [await client.get(address, headers={"Host": "hassette.example"}) for _ in range(3)]
    assert [answer.status_code for answer in refused] == [421] * 3
    assert "'hassette.example'. Add it to allowed_hosts in [sync]" in refused[-1].json()["detail"]
    (record,) = [record for record in caplog.records if "host name is unknown" in record.message]
    assert vars(record)["host"] == "hassette.example"


async def test_program_without_a_host_header_is_answered(plausible: Path) -> None:
    async with behind(plausible, version="1.0", removes=frozenset({"host"})) as address, http_client() as client:
        assert (await client.get(f"{address}/health/live")).status_code == 200


NGINX = shutil.which("nginx")


@contextlib.asynccontextmanager
async def nginx(folder: Path, servers: str) -> AsyncGenerator[str]:
    """Run nginx with a configuration of servers, in which PORT is a free port; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        "http {\n"
        f"  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"{servers.replace('PORT', f'127.0.0.1:{port}')}\n"
        "}\n"
    )
    assert NGINX is not None
    process = await asyncio.create_subprocess_exec(NGINX, "-e", f"{folder}/error.log", "-c", str(configuration))

    def listens() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        await eventually(listens)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize("location", ["/", "/hassette/"])
async def test_pages_poll_behind_an_nginx_with_its_defaults(plausible: Path, tmp_path: Path, location: str) -> None:
    async with create_web_service(patient_data(plausible, MemoryFeed()), WebSettings(port=0)) as service:
        servers = f"server {{ listen PORT; location {location} {{ proxy_pass {service.url}; }} }}"
        async with nginx(tmp_path, servers) as address, http_client() as client:
            stream, key = await page_key(client, address + location.rstrip("/"))
            with pytest.raises(websockets.InvalidStatus) as refused:
                await hello(stream, key, address)
            answer = await client.get(stream.replace("ws", "http", 1))
    assert refused.value.response.status_code == answer.status_code == 426


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_pages_are_live_behind_the_documented_nginx(plausible: Path, tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs/behind-a-proxy.md").read_text()
    servers = documented.split("```nginx\n")[1].split("```")[0].replace("listen 80;", "listen PORT;")
    async with create_web_service(patient_data(plausible, MemoryFeed()), WebSettings(port=0)) as service:
        assert service.url is not None
        servers = servers.replace("http://127.0.0.1:8765/", service.url)
        async with (
            nginx(tmp_path, servers) as address,
            http_client(follow_redirects=True) as client,
        ):
            assert str((await client.get(f"{address}/hassette")).url) == f"{address}/hassette/"
            stream, key = await page_key(client, f"{address}/hassette")
            assert await hello(stream, key, address) == "hello"
