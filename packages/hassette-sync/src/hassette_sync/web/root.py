"""The path of the pages as the browser sees it. A reverse proxy may add a prefix."""

import re
from collections.abc import Collection, Mapping
from typing import Final

# Home Assistant's ingress sends the first header, most other proxies send the second one.
PREFIX_HEADERS: Final = ("x-ingress-path", "x-forwarded-prefix")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")


def prefix_of(headers: Mapping[str, str]) -> str:
    """Return the prefix in the headers of a proxy, such as ``/hassette``; empty if there is none."""
    for header in PREFIX_HEADERS:
        prefix = headers.get(header, "").strip().rstrip("/")
        if _PREFIX.fullmatch(prefix):
            return prefix
    return ""


def root_of(path: str, headers: Mapping[str, str]) -> str:
    """Return the address of the root, with a trailing slash, for links on the page at a path.

    If no header contains a prefix, the address is relative to the page. So links also work if a proxy removes a prefix
    and does not send it in a header.
    """
    prefix = prefix_of(headers)
    return f"{prefix}/" if prefix else "../" * (path.count("/") - 1) or "./"


def without_prefix(path: str, headers: Mapping[str, str]) -> str:
    """Return the path without the prefix. Some proxies send the prefix in a header but do not remove it."""
    prefix = prefix_of(headers)
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path.removeprefix(prefix) or "/"
    # A proxy that maps /hassette to / sends //runs for /hassette/runs.
    return re.sub("^/{2,}", "/", path)


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
