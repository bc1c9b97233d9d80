"""The login form, and the cookie that it sets."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hassette_sync.settings import WebSettings
from hassette_sync.web.access import COOKIE, cookie_for, is_token
from hassette_sync.web.rendering import page

login = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_MAX_FORM_BYTES = 4_096
_COOKIE_MAX_AGE_S = 90 * 86_400


@login.get("/login")
async def show_form(request: Request, next: Annotated[str, Query()] = "/") -> Response:  # noqa: A002  the name in the URL
    """Show the form that asks for the token."""
    return await page(request, "login.html", next=_local_path(next), wrong=False)


@login.post("/login")
async def sign_in(request: Request) -> Response:
    """Check the token and set the cookie."""
    settings: WebSettings = request.app.state.settings
    form = parse_qs((await _body(request)).decode("utf-8", "replace"))
    target = _local_path(form.get("next", ["/"])[0])
    if settings.token is None:
        return RedirectResponse(f".{target}", 303)
    if not is_token(settings.token, form.get("token", [""])[0].strip()):
        return await page(request, "login.html", 401, next=target, wrong=True)
    # The address is relative to /login, because a proxy may have added a prefix.
    answer = RedirectResponse(f".{target}", 303)
    answer.set_cookie(
        COOKIE,
        cookie_for(settings.token),
        max_age=_COOKIE_MAX_AGE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


async def _body(request: Request) -> bytes:
    """Read the form. Return an empty form if it is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return b""
    return body


def _local_path(path: str) -> str:
    """Return the path if it is on this server, otherwise ``/``. A login must not redirect to another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
