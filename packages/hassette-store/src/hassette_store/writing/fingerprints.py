"""Fingerprints of failures: failures with the same cause get the same fingerprint and form one error group.

Version 1 of a fingerprint is a hash of

* the failure's kind and exception class,
* the file names (without directories) and functions of the innermost 5 frames of app code,
* the first line of the message, with numbers, hexadecimal ids, quoted text and entity ids replaced by ``#``.

App code is all code outside the standard library and installed packages. If no frame is of app code, the innermost 5 of
all frames count. Line numbers do not count, so that an edit further up in the file does not form a new group. The
message is cut to 400 characters before the replacement, and to 200 characters after it. The replacement has the effect
that the same failure for another lamp joins the same group.

A fingerprint contains its version. A later version will therefore form new groups, and will not change the old groups.
"""

import re
from hashlib import blake2b
from typing import Final

from hassette_store.rows import FailureRow, FrameRow

VERSION: Final = 1
INNERMOST_FRAMES: Final = 5

_VARIABLE: Final = re.compile(
    r"""
      '[^'\n]*' | "[^"\n]*"                     # quoted text
    | \b[a-z_]+\.[a-z0-9_]*[a-z_][a-z0-9_]*\b   # entity ids: light.hall
    | \b[0-9A-HJKMNP-TV-Z]{26}\b                # ULIDs: context ids
    | \b0x[0-9a-f]+\b | \b[0-9a-f]{8,}\b        # addresses, hashes
    | \d+(?:\.\d+)?                             # numbers
    """,
    re.VERBOSE,
)
_LIBRARY_FILE: Final = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python\d[^/\\]*)[/\\]|^<frozen ")


def fingerprint(failure: FailureRow) -> str:
    """Return the fingerprint of a failure, such as ``1:9f86d081884c7d659a2feaa0``."""
    digest = blake2b(digest_size=12)
    for part in (failure.kind, failure.type, *map(_location, _innermost(failure)), normalised(failure.message)):
        digest.update(part.encode("utf-8", "replace"))
        digest.update(b"\0")
    return f"{VERSION}:{digest.hexdigest()}"


def normalised(message: str) -> str:
    """Return the first line of a message with its variable parts replaced by ``#``, cut to 200 characters."""
    return _VARIABLE.sub("#", message[:400].partition("\n")[0])[:200]


def _innermost(failure: FailureRow) -> list[FrameRow]:
    apps = [frame for frame in failure.frames if not _LIBRARY_FILE.search(frame.file)]
    return (apps or list(failure.frames))[-INNERMOST_FRAMES:]


def _location(frame: FrameRow) -> str:
    return frame.file.replace("\\", "/").rpartition("/")[2] + ":" + frame.function
