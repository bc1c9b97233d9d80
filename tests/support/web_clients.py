"""Clients of the pages and of the live stream. Their time limits grow with HASSETTE_TEST_PATIENCE."""

from typing import Any

import httpx

from support.waiting import patience

LIMIT_S = 30.0


def http_client(**options: Any) -> httpx.AsyncClient:
    """Return an HTTP client. By default, it would wait 5 s for an answer, which is too short on a busy machine."""
    return httpx.AsyncClient(timeout=patience(LIMIT_S), **options)


def live_client(address: str, **options: Any) -> Any:
    """Return a WebSocket client, as ``websockets.connect`` does."""
    import websockets

    return websockets.connect(address, open_timeout=patience(LIMIT_S), **options)


def app_client(data: Any, settings: Any = None, **options: Any) -> httpx.AsyncClient:
    """Return an HTTP client of the application, without a socket."""
    from hassette_sync.settings import WebSettings
    from hassette_sync.web.application import create_app

    app = create_app(data, settings or WebSettings())
    options.setdefault("base_url", "http://localhost:8765")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), **options)


def without_breaks(page: str) -> str:
    """Return the HTML of a page without the places where the lines of a long name may break."""
    return page.replace("<wbr>", "")
