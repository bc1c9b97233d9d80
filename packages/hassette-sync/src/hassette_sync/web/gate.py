"""Who may come in: host names, the token, and the headers that keep a page from harm. Pure ASGI."""

import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hassette_sync.settings import WebSettings

COOKIE = "hassette_session"
_OPEN_PATHS = ("/healthz", "/readyz", "/login")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SECURITY_HEADERS = {
    # Nothing from another host, nothing inline: what an app or an entity is called can never become a script.
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Gate:
    """Refuses strange host names and visitors without the token.

    A page elsewhere can make a browser ask us under its own name (DNS rebinding) or open our WebSocket (browsers do not
    hold WebSockets to their origin): hence both `Host` and `Origin` are checked.

    Args:
        app: The application behind it.
        settings: Host, token and names.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._token = settings.token
        self._names = {name.lower() for name in (*_LOOPBACK_NAMES, settings.host, *settings.allowed_hosts)}
        if settings.token:
            name = socket.gethostname().lower()
            self._names |= {name, name.partition(".")[0]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # Watchdogs ask for the head of a page; the server keeps the body to itself.
            scope = {**scope, "method": "GET"}
        headers = Headers(scope=scope)
        if not self._knows(headers.get("host", "")):
            await _refuse(scope, receive, send, 421, "This name is not known here; add it to allowed_hosts.")
        elif scope["type"] == "websocket" and not _same_origin(headers):
            await _refuse(scope, receive, send, 403, "A page of another site may not listen.")
        elif not scope["path"].startswith(_OPEN_PATHS) and not scope["path"].startswith("/static/"):
            await self._ask_for_token(scope, receive, send, headers)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _knows(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._names:
            return True
        # A name that points to us without our doing can be anybody's; an address or a .local name cannot be rebound,
        # and behind a token a foreign page gets nothing.
        return self._token is not None and (name.endswith(".local") or _is_address(name))

    async def _ask_for_token(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        if self._token is None or is_admitted(self._token, headers):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http" and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            wanted = scope["path"] + (f"?{query}" if query else "")
            await _respond(send, 303, "", location=f"/login?next={quote(wanted, safe='/')}")
        else:
            await _refuse(scope, receive, send, 401, "A token is needed: send “Authorization: Bearer <token>”.")


def is_admitted(token: str, headers: Headers) -> bool:
    """Tell whether a request shows the token, by header or by the cookie that the login form gave."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return is_token(token, shown.strip())
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and hmac.compare_digest(morsel.value.encode(), cookie_for(token).encode())


def is_token(token: str, shown: str) -> bool:
    """Compare in constant time: how long it takes says nothing about the token."""
    return hmac.compare_digest(hashlib.sha256(shown.encode()).digest(), hashlib.sha256(token.encode()).digest())


def cookie_for(token: str) -> str:
    """Return the cookie's value: made from the token, but the token cannot be read from it."""
    return hmac.new(token.encode(), b"hassette-sync cookie 1", hashlib.sha256).hexdigest()


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    # Programs send none; browsers always do.
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


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why[:100]})
        return
    await _respond(send, status, json.dumps({"error": "refused", "detail": why}, ensure_ascii=False))


async def _respond(send: Send, status: int, body: str, location: str | None = None) -> None:
    data = body.encode()
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        *([(b"location", location.encode("ascii"))] if location else []),
        *([(b"www-authenticate", b"Bearer")] if status == 401 else []),
    ]
    started: Message = {"type": "http.response.start", "status": status, "headers": list(headers)}
    send = _with_headers(send)
    await send(started)
    await send({"type": "http.response.body", "body": data})
