"""TLS, redirects and proxies between the link and Home Assistant."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from hassette_core.errors import LinkError
from hassette_core.link import ConnectionEnd, WebTransport, parse_address
from hassette_core.link.redirects import MAX_REDIRECTS
from hassette_core.link.tls import describe_tls_error
from support.certificates import make_certificate

Answer = Callable[[web.Request], web.StreamResponse]


class Server:
    """A server that greets each WebSocket client, and answers REST requests with the request."""

    def __init__(self) -> None:
        self.port = 0
        self.tokens: list[str | None] = []
        self.answer: Answer | None = None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization"))
        if self.answer is not None:
            return self.answer(request)
        if request.path.endswith("/api/websocket"):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str("hello")
            await socket.receive()
            return socket
        return web.json_response({"method": request.method, "path": request.path, "body": await request.text()})


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def to(url: str, *, verify_ssl: bool = True, ca_file: Path | None = None) -> WebTransport:
    return WebTransport(parse_address(url), verify_ssl=verify_ssl, ca_file=ca_file)


async def greeting(transport: WebTransport) -> str | ConnectionEnd:
    channel = await transport.open()
    try:
        return await channel.receive()
    finally:
        await channel.close()


async def refusal(transport: WebTransport) -> str:
    with pytest.raises(LinkError) as raised:
        await transport.open()
    assert raised.value.__cause__ is None
    return str(raised.value)


async def test_certificate_signed_by_itself_is_refused_with_a_fix(tmp_path: Path) -> None:
    _, tls = make_certificate(tmp_path, "DNS:localhost")
    async with serving(tls) as server:
        url = f"https://localhost:{server.port}"
        text = await refusal(to(url))
    assert text.startswith(
        f"cannot connect to {url}: the certificate of the server is signed by itself or by a private"
    )
    assert "set ca_file in [home_assistant]" in text
    assert "verify_ssl = false" in text


async def test_certificate_in_the_file_is_trusted_for_both_apis(tmp_path: Path) -> None:
    file, tls = make_certificate(tmp_path, "DNS:localhost")
    async with serving(tls) as server:
        transport = to(f"https://localhost:{server.port}", ca_file=file)
        channel = await transport.open()
        assert await channel.receive() == "hello"
        answer = await channel.request("POST", "/api/x", '{"a":1}', {"Authorization": "Bearer t"})
        assert json.loads(answer.text) == {"method": "POST", "path": "/api/x", "body": '{"a":1}'}
        await channel.close()


async def test_certificate_of_another_host_is_refused_with_the_host_name(tmp_path: Path) -> None:
    file, tls = make_certificate(tmp_path, "DNS:home.example")
    async with serving(tls) as server:
        for host in ("localhost", "127.0.0.1"):
            text = await refusal(to(f"https://{host}:{server.port}", ca_file=file))
            assert f"the certificate of the server is not valid for the host name '{host}'" in text
            assert "a name that the certificate contains" in text


async def test_any_certificate_is_accepted_without_verification(tmp_path: Path) -> None:
    _, tls = make_certificate(tmp_path, "DNS:home.example")
    async with serving(tls) as server:
        assert await greeting(to(f"https://127.0.0.1:{server.port}", verify_ssl=False)) == "hello"


async def test_server_without_tls_is_explained() -> None:
    async with serving() as server:
        text = await refusal(to(f"https://127.0.0.1:{server.port}"))
    assert "the server does not use TLS on this port; set url in [home_assistant] to an address with http://" in text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (10, "has expired"),
        (9, "is not valid yet"),
        (20, "an unknown certificate authority"),
        (26, "(unsuitable purpose)"),
    ],
)
def test_cause_of_a_refused_certificate_is_named(code: int, text: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "unsuitable purpose"
    assert text in describe_tls_error(error, "home")


async def test_redirect_to_https_is_followed_for_both_apis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, tls = make_certificate(tmp_path, "DNS:localhost")
    async with serving(tls) as secure, serving() as plain:

        def answer(request: web.Request) -> web.Response:
            return web.Response(status=301, headers={"Location": f"https://localhost:{secure.port}{request.path}"})

        plain.answer = answer
        transport = to(f"http://localhost:{plain.port}", ca_file=file)
        channel = await transport.open()
        assert await channel.receive() == "hello"
        answered = await channel.request("POST", "/api/x", "{}", {"Authorization": "Bearer t"})
        assert json.loads(answered.text)["method"] == "POST"
        await channel.close()
        assert (plain.tokens, secure.tokens) == ([None], [None, "Bearer t"])
    (line,) = caplog.records
    assert vars(line)["new_url"] == f"https://localhost:{secure.port}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_of_a_request_to_the_same_host_keeps_method_and_body(status: int) -> None:
    async with serving() as old, serving() as new:
        channel = await to(f"http://127.0.0.1:{old.port}").open()
        old.answer = lambda request: web.Response(
            status=status, headers={"Location": f"http://127.0.0.1:{new.port}/prefix{request.path}"}
        )
        answer = await channel.request("POST", "/api/x", '{"a":1}', {"Authorization": "Bearer t"})
        assert json.loads(answer.text) == {"method": "POST", "path": "/prefix/api/x", "body": '{"a":1}'}
        await channel.close()


@pytest.mark.parametrize(
    "location",
    ["http://localhost:{port}/api/websocket", "//localhost:{port}/api/websocket", "https://evil.example/api/websocket"],
)
async def test_redirect_to_another_host_is_refused_and_the_host_is_named(location: str) -> None:
    async with serving() as server, serving() as other:
        where = location.format(port=other.port)
        server.answer = lambda _: web.Response(status=302, headers={"Location": where})
        text = await refusal(to(f"http://127.0.0.1:{server.port}"))
        assert "the server redirects to another host" in text
        assert "the token is not sent there" in text
        assert other.tokens == []


async def test_request_is_not_redirected_to_another_host() -> None:
    async with serving() as server, serving() as other:
        channel = await to(f"http://127.0.0.1:{server.port}").open()
        server.answer = lambda _: web.Response(status=307, headers={"Location": f"http://localhost:{other.port}/api/x"})
        with pytest.raises(LinkError, match="redirects to another host"):
            await channel.request("GET", "/api/x", None, {"Authorization": "Bearer t"})
        assert other.tokens == []
        await channel.close()


async def test_redirect_without_encryption_is_refused(tmp_path: Path) -> None:
    file, tls = make_certificate(tmp_path, "DNS:localhost")
    async with serving(tls) as secure, serving() as plain:
        secure.answer = lambda _: web.Response(
            status=302, headers={"Location": f"http://localhost:{plain.port}/api/websocket"}
        )
        assert "without encryption" in await refusal(to(f"https://localhost:{secure.port}", ca_file=file))
        assert plain.tokens == []


@pytest.mark.parametrize("location", ["/login?next=/api/websocket", "", "http://[broken", "/api/websocket#x"])
async def test_redirect_to_a_page_is_refused(location: str) -> None:
    async with serving() as server:
        server.answer = lambda _: web.Response(status=302, headers={"Location": location})
        text = await refusal(to(f"http://127.0.0.1:{server.port}"))
        assert "redirect" in text


async def test_endless_redirects_are_refused() -> None:
    async with serving() as server:
        server.answer = lambda request: web.Response(status=302, headers={"Location": request.path})
        text = await refusal(to(f"http://127.0.0.1:{server.port}"))
        assert f"redirects more than {MAX_REDIRECTS} times" in text


@pytest.mark.parametrize(
    ("status", "text"),
    [(502, "Home Assistant behind it is starting"), (504, "behind it"), (404, "not like Home Assistant"), (500, "500")],
)
async def test_status_of_a_refused_websocket_is_explained(status: int, text: str) -> None:
    async with serving() as server:
        server.answer = lambda _: web.Response(status=status)
        found = await refusal(to(f"http://127.0.0.1:{server.port}"))
        assert f"the HTTP status {status}" in found
        assert text in found


def test_supervisor_has_its_own_path_of_the_websocket() -> None:
    assert parse_address("http://supervisor/core").websocket_url == "ws://supervisor/core/websocket"
    assert parse_address("http://supervisor/core/").url == "http://supervisor/core"
    assert parse_address("http://home/core").websocket_path == "/api/websocket"
