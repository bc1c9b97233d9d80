"""Access control as ASGI middleware: it checks host names, origins and the token, and adds security headers.

A reverse proxy may replace `Host` by the address of this server, and may send paths that begin with a prefix.
"""

import hashlib
import hmac
import socket
from collections.abc import Collection, Iterable
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hassette_sync.settings import WebSettings, is_address
from hassette_sync.web.browser_sessions import BrowserSessions
from hassette_sync.web.page_keys import PageKeys
from hassette_sync.web.problems import PROBLEM_TYPE, problem_body
from hassette_sync.web.refusals import RefusalLog
from hassette_sync.web.root import first_part, in_origin_form, no_page, root_of, without_prefix
from hassette_sync.web.visitors import VISITOR, Visitor
from hassette_sync.web.wrong_tokens import WrongTokens

COOKIE = "hassette_session"
TOKEN_HEADER = "x-hassette-token"  # noqa: S105  the name of a header
USER_HEADERS = ("x-remote-user-display-name", "x-remote-user-name")
HOUSEHOLD_PATH = "/home"
_ALLOW_HOST = "Add it to allowed_hosts in [sync]"
MAX_HEADER_BYTES = 16 * 1024
_MAX_SHOWN = 200
_MAX_USER = 100
_OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/login"})
_OUTSIDE_HOST = frozenset("@/?#\\")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SECURITY_HEADERS = {
    # Pages load nothing from other hosts and have no inline scripts, so the name of an app or entity can never run as a
    # script.
    "content-security-policy": (
        # Home Assistant's ingress shows the pages in a frame of the same origin.
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
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
        sessions: Sessions of browsers that have signed in.
        page_keys: Keys on pages.
        wrong_tokens: Delay of checks after wrong tokens.
        refusals: Log of refused requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: WebSettings,
        first_parts: Collection[str],
        sessions: BrowserSessions,
        page_keys: PageKeys,
        wrong_tokens: WrongTokens,
        refusals: RefusalLog,
    ) -> None:
        self._app = app
        self._first_parts = first_parts
        self._sessions = sessions
        self._page_keys = page_keys
        self._wrong_tokens = wrong_tokens
        self._refusals = refusals
        self._token = settings.token
        self._household_token = settings.household_token
        self._ingress_addresses = frozenset(settings.ingress_addresses)
        self._names = {_name_in_header(name) for name in (*_LOOPBACK_NAMES, settings.host, *settings.allowed_hosts)}
        if settings.token:
            name = socket.gethostname().lower()
            self._names |= {name, name.partition(".")[0]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or refuse it.

        Answer an unexpected error with problem details, and log it.
        """
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = scope["type"] == "websocket"

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._check(scope, receive, send_noting_start)
        except ClientDisconnect:
            return  # while it sent its request
        except Exception as error:  # an error of any class must have the shape of the other errors
            self._refusals.report_error("Request failed because of an error in Hassette", error)
            if started:
                # Only the server can end the connection.
                raise
            await _refuse(scope, receive, send, 500, "Hassette could not answer. Its log contains the cause.")

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # Monitoring programs send HEAD requests, but the routes accept only GET. uvicorn sends no body for HEAD.
            scope = {**scope, "method": "GET"}
        scope = in_origin_form(scope)
        headers = Headers(scope=scope)
        scope = {**scope, "path": without_prefix(scope["path"], headers)}
        if not self._is_known_host(headers.get("host")):
            host = headers["host"][:_MAX_SHOWN]
            self._refusals.report(
                "Request was refused, because its host name is unknown", host=host, to_allow_it=_ALLOW_HOST
            )
            await _refuse(scope, receive, send, 421, f"Unknown host name {host!r}. {_ALLOW_HOST}.")
            return
        if _header_size(scope) > MAX_HEADER_BYTES:
            # The server limits a header only while it is incomplete.
            reason = f"The address and the header must have at most {MAX_HEADER_BYTES} bytes in all."
            await _refuse(scope, receive, send, 431, reason)
            return
        visitor = await self._visitor(scope, headers)
        scope[VISITOR] = visitor
        if scope["type"] == "websocket" and not self._is_own_page(scope, headers, visitor):
            self._refusals.report(
                "Live connection was refused, because the page is from another host",
                origin=headers.get("origin", ""),
                host=headers.get("host", ""),
                to_allow_it="let the proxy pass on the header Host, or open the page again",
            )
            await _refuse(scope, receive, send, 403, "Pages of other sites may not connect.")
        elif first_part(scope["path"]) not in self._first_parts:
            # Under the prefix of a proxy, a redirection could lead back to the same address.
            if visitor.is_admitted:
                await self._app(scope, receive, _with_headers(send))
            else:
                await _refuse(scope, receive, send, 404, no_page(scope["path"][:_MAX_SHOWN], self._first_parts))
        elif scope["type"] == "http" and scope["method"] == "GET" and (target := _without_last_slash(scope)):
            await _respond(send, 308, b"", location=target)
        elif (
            visitor.is_admitted
            or scope["path"] in _OPEN_PATHS
            or scope["path"].startswith("/static/")
            or (
                scope["type"] == "http" and scope["path"] == HOUSEHOLD_PATH and await self._is_household(scope, visitor)
            )
        ):
            await self._app(scope, receive, _with_headers(send))
        else:
            await _ask_for_token(scope, receive, send, headers)

    async def _visitor(self, scope: Scope, headers: Headers) -> Visitor:
        """Return who asks. Only the check of a presented token is delayed after wrong tokens."""
        address = _address_of(scope)
        user = ""
        if address in self._ingress_addresses:
            # Other senders could write any name into these headers.
            user = next((_text(headers[name]).strip()[:_MAX_USER] for name in USER_HEADERS if headers.get(name)), "")
        if self._token is None:
            return Visitor(kind="open", address=address, user=user)
        if (presented := presented_token(headers)) is not None:
            await self._wrong_tokens.wait(address)
            if is_token(self._token, presented):
                return Visitor(kind="token", address=address, user=user)
            self._wrong_tokens.add(address)
        elif (id_ := _session_id(headers)) is not None and (session := self._sessions.find(id_)) is not None:
            return Visitor(kind="session", address=address, session=session, user=user)
        return Visitor(kind="unknown", address=address)

    async def _is_household(self, scope: Scope, visitor: Visitor) -> bool:
        """Return whether the address of the page for the people of the home contains its token."""
        presented = QueryParams(scope["query_string"]).get("token")
        if self._household_token is None or presented is None:
            return False
        await self._wrong_tokens.wait(visitor.address)
        if is_token(self._household_token, presented):
            return True
        self._wrong_tokens.add(visitor.address)
        return False

    def _is_own_page(self, scope: Scope, headers: Headers, visitor: Visitor) -> bool:
        """Return whether a WebSocket is from a page of this server, or from a program without an origin."""
        if is_same_origin(headers):
            return True
        return self._page_keys.accepts(QueryParams(scope["query_string"]).get("key", ""), visitor.session)

    def _is_known_host(self, host: str | None) -> bool:
        if host is None:
            # Browsers always send the header. Simple HTTP/1.0 programs do not.
            return True
        name = _host_name(host)
        if name in self._names:
            return True
        # DNS rebinding needs a name in public DNS, so an IP address or a .local name is safe. Without a token, neither
        # is accepted, because the pages are then available on loopback only.
        return self._token is not None and (name.endswith(".local") or is_address(name))


async def _ask_for_token(scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
    if scope["type"] == "http" and "text/html" in headers.get("accept", ""):
        query = scope["query_string"].decode("latin-1")
        # After a sign-in, a browser repeats no request that changes something.
        target = scope["path"] + (f"?{query}" if query else "") if scope["method"] == "GET" else "/"
        root = root_of(scope["path"], headers)
        await _respond(send, 303, b"", location=f"{root}login?next={quote(target, safe='/')}")
        return
    await _refuse(
        scope,
        receive,
        send,
        401,
        "A token is required: send “Authorization: Bearer <token>”, or “X-Hassette-Token: <token>” if a proxy "
        "removes the header Authorization.",
    )


def presented_token(headers: Headers) -> str | None:
    """Return the token in the headers of a request."""
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _text(presented).strip()
    # A proxy may need the header Authorization for its password.
    presented = headers.get(TOKEN_HEADER)
    return None if presented is None else _text(presented).strip()


def _text(value: str) -> str:
    """Return the value of a header field. It is in UTF-8 or Latin-1, and starlette always decodes it as Latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _header_size(scope: Scope) -> int:
    fields: list[tuple[bytes, bytes]] = scope["headers"]
    return sum(len(name) + len(value) for name, value in fields) + len(scope["path"]) + len(scope["query_string"])


def _session_id(headers: Headers) -> str | None:
    # `http.cookies` takes a second for a long value with many backslashes, on Python before 3.11.10.
    fields = (field.strip().partition("=") for field in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in fields if name == COOKIE), None)


def _address_of(scope: Scope) -> str:
    """Return the address of the sender. A proxy may have sent any text in its place."""
    client = scope.get("client")
    text = str(client[0]) if client else ""
    return text if is_address(text) else "unknown"


def is_token(token: str, presented: str) -> bool:
    """Compare in constant time, so that the duration reveals nothing about the token."""
    return hmac.compare_digest(hashlib.sha256(presented.encode()).digest(), hashlib.sha256(token.encode()).digest())


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
    if not _OUTSIDE_HOST.isdisjoint(host):
        return ""  # a proxy may read another name in evil.example@localhost
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


def is_same_origin(headers: Headers) -> bool:
    """Return whether the header ``Origin`` is missing, or names the host of the request.

    Browsers always send it with a form and a WebSocket; other programs do not.
    """
    if (origin := headers.get("origin")) is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:  # such as http://[
        return False


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
