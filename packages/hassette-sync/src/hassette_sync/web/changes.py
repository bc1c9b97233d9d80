"""Access of requests that change something. Each route that answers a POST request depends on `Changer`."""

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import Depends, HTTPException, Request

from hassette_sync.settings import WebSettings
from hassette_sync.web.page_keys import PageKeys
from hassette_sync.web.visitors import VISITOR, Visitor

KEY_HEADER: Final = "x-hassette-key"
KEY_FIELD: Final = "key"
_FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_MAX_FIELDS: Final = 50
HOW_TO_ALLOW: Final = (
    "Changes need a token: set token in [sync], or control_without_token = true on a machine that you trust"
)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form. The size of the body is limited for all requests."""
    if not _is_form(request, _FORM_TYPES[0]):
        return {}
    try:
        fields = parse_qs(
            (await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise HTTPException(400, f"A form must have at most {_MAX_FIELDS} fields") from None
    if doubled := [name for name, values in fields.items() if len(values) > 1]:
        raise HTTPException(400, f"A form must have one value for each field, got several for {doubled[0][:40]!r}")
    form = {name: values[0] for name, values in fields.items()}
    request.state.came_from = form.get("next", "")  # a refusal leads back to this page
    return form


def _is_form(request: Request, *types: str) -> bool:
    # Case does not matter in the type of a body.
    return request.headers.get("content-type", "").lower().startswith(types)


Form = Annotated[dict[str, str], Depends(read_form)]


def is_allowed(visitor: Visitor, settings: WebSettings) -> bool:
    """Return whether the settings let this visitor change something."""
    return visitor.kind in ("token", "session") or (visitor.kind == "open" and settings.control_without_token)


async def may_change(request: Request, form: Form) -> str:
    """Return the name of the visitor who asks for a change.

    Raises:
        HTTPException: 403. No token is set and the settings do not allow changes without one, or the request may come
            from a page of another site.
    """
    visitor: Visitor = request.scope[VISITOR]
    settings: WebSettings = request.app.state.settings
    if not is_allowed(visitor, settings):
        raise HTTPException(403, HOW_TO_ALLOW)
    if visitor.kind != "token":
        check_origin(request, form, visitor)
    return visitor.name


Changer = Annotated[str, Depends(may_change)]
"""Name of the visitor who asks for a change; a request that may not change anything is refused."""


def check_origin(request: Request, form: dict[str, str], visitor: Visitor) -> None:
    """Refuse a request that a page of another site may have sent.

    A browser must send the key of a page. `Origin` does not suffice, because a proxy may have replaced `Host`. A
    program without a cookie needs no key, because a page of another site cannot send such a request.

    Raises:
        HTTPException: 403 with the reason.
    """
    headers = request.headers
    keys: PageKeys = request.app.state.page_keys
    site = headers.get("sec-fetch-site", "same-origin")
    is_browser = (
        "origin" in headers or "sec-fetch-site" in headers or "cookie" in headers or _is_form(request, *_FORM_TYPES)
    )
    key = headers.get(KEY_HEADER) or form.get(KEY_FIELD, "")
    if site not in ("same-origin", "none") or (is_browser and not keys.accepts(key, visitor.session)):
        request.app.state.refusals.report(
            "Change was refused, because it may come from a page of another site",
            origin=headers.get("origin", ""),
            host=headers.get("host", ""),
            to_allow_it="open the page again",
        )
        raise HTTPException(403, "This page is too old, or it is from another site. Open it again, and repeat")
