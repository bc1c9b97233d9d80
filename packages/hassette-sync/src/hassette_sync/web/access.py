"""Access control as ASGI middleware: it checks host names, origins and the token, and adds security headers.

A reverse proxy may replace `Host` by the address of this server, and may send paths that begin with a prefix.
"""

import hashlib
import hmac
import ipaddress
import logging
import socket
from collections.abc import Collection, Iterable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hassette_sync.settings import WebSettings
from hassette_sync.web.problems import PROBLEM_TYPE, problem_body
from hassette_sync.web.refusals import RefusalLog
from hassette_sync.web.root import first_part, no_page, root_of, without_prefix

_logger = logging.getLogger(__name__)

COOKIE = "hassette_session"
TOKEN_HEADER = "x-hassette-token"  # noqa: S105  the name of a header
_ALLOW_HOST = "Add it to allowed_hosts in [sync]"
_MAX_SHOWN = 200
_OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/login"})
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SECURITY_HEADERS = {
    # Pages load nothing from other hosts and have no inline scripts, so the name of an app or entity can never run as a
    # script.
    "content-security-policy": (
        # Home Assistant's ingress shows the pages in a frame of the same origin.
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class AccessControl:
    """Middleware that refuses unknown host names, foreign origins, and requests without the token.

    It checks `Host`, because another site can point its own name at this server (DNS rebinding). It checks `Origin`,
    because browsers let any site open a WebSocket to this server. If a proxy has replaced `Host`, `Origin` names
    another host. Then the key in the address of the WebSocket proves that the page is from this server. Other sites
    cannot read the page, so they do not know the key.

    Args:
        app: The protected application.
        settings: Host, token and allowed host names.
        first_parts: First parts of all paths. Another first part may be the prefix of a proxy that does not remove it.
        page_key: Secret of this process that each page contains.
        refusals: Log of refused requests.
    """

    def __init__(
        self, app: ASGIApp, settings: WebSettings, first_parts: Collection[str], page_key: str, refusals: RefusalLog
    ) -> None:
        self._app = app
        self._first_parts = first_parts
        self._page_key = page_key
        self._refusals = refusals
        self._token = settings.token
        self._names = {_name_in_header(name) for name in (*_LOOPBACK_NAMES, settings.host, *settings.allowed_hosts)}
        if settings.token:
            name = socket.gethostname().lower()
            self._names |= {name, name.partition(".")[0]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # Monitoring programs send HEAD requests, but the routes accept only GET. uvicorn sends no body for HEAD.
            scope = {**scope, "method": "GET"}
        headers = Headers(scope=scope)
        scope = {**scope, "path": without_prefix(scope["path"], headers)}
        if not self._is_known_host(headers.get("host")):
            host = headers["host"][:_MAX_SHOWN]
            self._refusals.report(
                "Request was refused, because its host name is unknown", host=host, to_allow_it=_ALLOW_HOST
            )
            await _refuse(scope, receive, send, 421, f"Unknown host name {host!r}. {_ALLOW_HOST}.")
        elif scope["type"] == "websocket" and not self._is_own_page(scope, headers):
            self._refusals.report(
                "Live connection was refused, because the page is from another host",
                origin=headers.get("origin", ""),
                host=headers.get("host", ""),
                to_allow_it="let the proxy pass on the header Host, or open the page again",
            )
            await _refuse(scope, receive, send, 403, "Pages of other sites may not connect.")
        elif first_part(scope["path"]) not in self._first_parts:
            # Under the prefix of a proxy, a redirection could lead back to the same address.
            if self._token is not None and not is_admitted(self._token, headers):
                await _refuse(scope, receive, send, 404, no_page(scope["path"][:_MAX_SHOWN], self._first_parts))
            else:
                await self._answer(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "GET" and (target := _without_last_slash(scope)):
            await _respond(send, 308, b"", location=target)
        elif scope["path"] not in _OPEN_PATHS and not scope["path"].startswith("/static/"):
            await self._check_token(scope, receive, send, headers)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application. Answer an unexpected error with problem details, and log it."""
        started = scope["type"] == "websocket"

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, _with_headers(send_noting_start))
        except Exception:
            # An error of any class must have the shape of the other errors. After the start of the response, only the
            # server can end the connection.
            if started:
                raise
            _logger.exception("Request failed because of an error in Hassette")
            await _refuse(scope, receive, send, 500, "Hassette could not answer. Its log contains the cause.")

    def _is_own_page(self, scope: Scope, headers: Headers) -> bool:
        """Return whether a WebSocket is from a page of this server, or from a program without an origin."""
        key = QueryParams(scope["query_string"]).get("key", "")
        return _same_origin(headers) or hmac.compare_digest(key.encode(), self._page_key.encode())

    def _is_known_host(self, host: str | None) -> bool:
        if host is None:
            # Browsers always send the header. Simple HTTP/1.0 programs do not.
            return True
        name = _host_name(host)
        if name in self._names:
            return True
        # DNS rebinding needs a name in public DNS, so an IP address or a .local name is safe. Without a token, neither
        # is accepted, because the pages are then available on loopback only.
        return self._token is not None and (name.endswith(".local") or _is_address(name))

    async def _check_token(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        if self._token is None or is_admitted(self._token, headers):
            await self._answer(scope, receive, send)
        elif scope["type"] == "http" and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            target = scope["path"] + (f"?{query}" if query else "")
            root = root_of(scope["path"], headers)
            await _respond(send, 303, b"", location=f"{root}login?next={quote(target, safe='/')}")
        else:
            await _refuse(
                scope,
                receive,
                send,
                401,
                "A token is required: send “Authorization: Bearer <token>”, or “X-Hassette-Token: <token>” if a proxy "
                "removes the header Authorization.",
            )


def is_admitted(token: str, headers: Headers) -> bool:
    """Return whether a request has the token, in a header or in the cookie from the login form."""
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return is_token(token, presented.strip())
    # A proxy may need the header Authorization for its password.
    if (presented := headers.get(TOKEN_HEADER)) is not None:
        return is_token(token, presented.strip())
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and hmac.compare_digest(morsel.value.encode(), cookie_for(token).encode())


def is_token(token: str, presented: str) -> bool:
    """Compare in constant time, so that the duration reveals nothing about the token."""
    return hmac.compare_digest(hashlib.sha256(presented.encode()).digest(), hashlib.sha256(token.encode()).digest())


def cookie_for(token: str) -> str:
    """Return the value of the cookie. The token cannot be recovered from the cookie."""
    return hmac.new(token.encode(), b"hassette-sync cookie 1", hashlib.sha256).hexdigest()


def _without_last_slash(scope: Scope) -> str:
    """Return the relative address of a page without the slash at its end; empty if the path needs no redirection.

    The address is relative, because a proxy may have replaced the host name or added a prefix.
    """
    path: str = scope["path"]
    if path == "/" or not path.endswith("/"):
        return ""
    query = scope["query_string"].decode("latin-1")
    return f"../{quote(path.rstrip('/').rpartition('/')[2])}" + (f"?{query}" if query else "")


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def _name_in_header(name: str) -> str:
    """Return a configured host name as `_host_name` returns it. Browsers send letters outside ASCII as Punycode."""
    name = name.strip("[]").rstrip(".").lower()
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    # Browsers always send an origin; other programs do not.
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return send_with_headers


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})
        return
    kind = HTTPStatus(status).name.lower()
    await _respond(send, status, problem_body(status, kind, reason))


async def _respond(send: Send, status: int, data: bytes, location: str | None = None) -> None:
    headers: Iterable[tuple[bytes, bytes]] = [
        *([(b"content-type", PROBLEM_TYPE.encode())] if data else []),
        (b"content-length", str(len(data)).encode()),
        *([(b"location", location.encode("ascii"))] if location else []),
        *([(b"www-authenticate", b"Bearer")] if status == 401 else []),
    ]
    started: Message = {"type": "http.response.start", "status": status, "headers": list(headers)}
    send = _with_headers(send)
    await send(started)
    await send({"type": "http.response.body", "body": data})
