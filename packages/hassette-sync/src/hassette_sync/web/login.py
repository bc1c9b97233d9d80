"""Signing in and out in a browser."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hassette_sync.settings import WebSettings
from hassette_sync.web.access import COOKIE, is_same_origin, is_token
from hassette_sync.web.browser_sessions import LIFETIME_S, BrowserSessions
from hassette_sync.web.changes import Changer, Form, check_origin
from hassette_sync.web.rendering import page
from hassette_sync.web.visitors import VISITOR, Visitor
from hassette_sync.web.wrong_tokens import WrongTokens

login = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@login.get("/login")
async def show_form(request: Request, next: Annotated[str, Query()] = "/") -> Response:  # noqa: A002  the name in the URL
    """Show the form that asks for the token."""
    return await page(request, "login.html", next=_local_path(next), wrong=False)


@login.post("/login")
async def sign_in(request: Request, form: Form) -> Response:
    """Check the token and begin a session of this browser."""
    settings: WebSettings = request.app.state.settings
    visitor: Visitor = request.scope[VISITOR]
    target = _local_path(form.get("next", "/"))
    if not is_same_origin(request.headers):
        # Another site could sign in a browser without its user.
        check_origin(request, form, visitor)
    if settings.token is None:
        return RedirectResponse(f".{target}", 303)
    wrong_tokens: WrongTokens = request.app.state.wrong_tokens
    await wrong_tokens.wait(visitor.address)
    if not is_token(settings.token, form.get("token", "").strip()):
        wrong_tokens.add(visitor.address)
        return await page(request, "login.html", 401, next=target, wrong=True)
    sessions: BrowserSessions = request.app.state.sessions
    if visitor.session:
        await sessions.end(visitor.session)
    # The address is relative to /login, because a proxy may have added a prefix.
    answer = RedirectResponse(f".{target}", 303)
    answer.set_cookie(
        COOKIE,
        await sessions.create(),
        max_age=LIFETIME_S,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )
    return answer


@login.post("/logout")
async def sign_out(request: Request, who: Changer, form: Form) -> Response:
    """End the session of this browser, or of all browsers."""
    del who
    visitor: Visitor = request.scope[VISITOR]
    sessions: BrowserSessions = request.app.state.sessions
    if form.get("all"):
        await sessions.end_all()
    elif visitor.session:
        await sessions.end(visitor.session)
    else:
        raise HTTPException(409, "Only a browser that has signed in can sign out. Send all=1 to sign out all browsers")
    answer = RedirectResponse("./login", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))
    return answer


def _is_secure(request: Request) -> bool:
    """Return whether the browser uses HTTPS. Only the browser itself knows it if a proxy does not send it."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _local_path(path: str) -> str:
    """Return the path if it is on this server, otherwise ``/``. A login must not redirect to another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
