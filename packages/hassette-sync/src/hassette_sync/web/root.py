"""The path of the pages as the browser sees it. A reverse proxy may add a prefix."""

import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import quote, unquote

from starlette.types import Scope

# Home Assistant's ingress sends the first header, most other proxies send the second one.
PREFIX_HEADERS: Final = ("x-ingress-path", "x-forwarded-prefix")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")
_NOT_ASCII: Final = re.compile("[\x80-\xff]")
_MAX_PREFIX: Final = 500
"""Each link contains the prefix, so a long one would make a page of many megabytes."""


def prefix_of(headers: Mapping[str, str]) -> str:
    """Return the prefix in the headers of a proxy, such as ``/hassette``; empty if there is none."""
    for header in PREFIX_HEADERS:
        # Letters outside ASCII arrive as they are in the configuration of the proxy.
        prefix = _NOT_ASCII.sub(lambda found: quote(found[0], encoding="latin-1"), headers.get(header, ""))
        prefix = prefix.strip().rstrip("/")
        if len(prefix) <= _MAX_PREFIX and _PREFIX.fullmatch(prefix) and not _leads_elsewhere(prefix):
            return prefix
    return ""


def _leads_elsewhere(prefix: str) -> bool:
    """Return whether a part is empty or only dots, and so leads to another path. A browser reads ``%2e`` as a dot."""
    return not {"", ".", ".."}.isdisjoint(re.split(r"[/\\]", unquote(prefix)[1:]))


def root_of(path: str, headers: Mapping[str, str]) -> str:
    """Return the address of the root, with a trailing slash, for links on the page at a path.

    If no header contains a prefix, the address is relative to the page. So links also work if a proxy removes a prefix
    and does not send it in a header.
    """
    prefix = prefix_of(headers)
    return f"{prefix}/" if prefix else "../" * (path.count("/") - 1) or "./"


def without_prefix(path: str, headers: Mapping[str, str]) -> str:
    """Return the path without the prefix. Some proxies send the prefix in a header but do not remove it."""
    prefix = unquote(prefix_of(headers))  # as the server decodes the path
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path.removeprefix(prefix) or "/"
    # A proxy that maps /hassette to / sends //runs for /hassette/runs.
    return re.sub("^/{2,}", "/", path)


def in_origin_form(scope: Scope) -> Scope:
    """Return a request for ``http://HOST/PATH`` as a request for ``/PATH`` with this host.

    RFC 9112 asks each server to accept this form, which clients send to a proxy, and to ignore the header ``Host``.
    """
    scheme, _, rest = scope["path"].partition("://")
    if scheme.lower() not in ("http", "https"):
        return scope
    host, _, path = rest.partition("/")
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "path": f"/{path}", "headers": [*headers, (b"host", host.encode("latin-1", "replace"))]}


def first_part(path: str) -> str:
    """Return the part of a path up to its second slash: ``/runs`` for ``/runs/1``."""
    return f"/{path[1:].partition('/')[0]}"


def no_page(path: str, known: Collection[str]) -> str:
    """Return the sentence for a path without a page. If its first part is unknown, it may be the prefix of a proxy.

    Args:
        path: The path.
        known: First parts of all known paths.
    """
    sentence = f"There is no page {path}."
    if (first := first_part(path)) in known:
        return sentence
    return (
        f"{sentence} If a proxy adds {first} to the path, let it remove this prefix, or send it in the header "
        "X-Forwarded-Prefix."
    )
