"""Access control as ASGI middleware: it checks host names, origins and the token, and adds security headers."""

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
    # Pages load nothing from other hosts and have no inline scripts, so the name of an app or entity can never run as a
    # script.
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
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
    because browsers let any site open a WebSocket to this server.

    Args:
        app: The protected application.
        settings: Host, token and allowed host names.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._token = settings.token
        self._names = {name.lower() for name in (*_LOOPBACK_NAMES, settings.host, *settings.allowed_hosts)}
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
        if not self._is_known_host(headers.get("host", "")):
            await _refuse(scope, receive, send, 421, "Unknown host name. Add it to allowed_hosts in [sync].")
        elif scope["type"] == "websocket" and not _same_origin(headers):
            await _refuse(scope, receive, send, 403, "Pages of other sites may not connect.")
        elif not scope["path"].startswith(_OPEN_PATHS) and not scope["path"].startswith("/static/"):
            await self._check_token(scope, receive, send, headers)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_known_host(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._names:
            return True
        # DNS rebinding needs a name in public DNS, so an IP address or a .local name is safe. Without a token, neither
        # is accepted, because the pages are then available on loopback only.
        return self._token is not None and (name.endswith(".local") or _is_address(name))

    async def _check_token(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        if self._token is None or is_admitted(self._token, headers):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http" and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            target = scope["path"] + (f"?{query}" if query else "")
            await _respond(send, 303, "", location=f"/login?next={quote(target, safe='/')}")
        else:
            await _refuse(scope, receive, send, 401, "A token is required: send “Authorization: Bearer <token>”.")


def is_admitted(token: str, headers: Headers) -> bool:
    """Return whether a request has the token, in the header or in the cookie from the login form."""
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
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
    await _respond(send, status, json.dumps({"error": "refused", "detail": reason}, ensure_ascii=False))


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
