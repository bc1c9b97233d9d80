"""Which failures are the same mistake.

Version 1 of a fingerprint is a hash over

* the failure's kind and exception class,
* the file names (without directories) and functions of its innermost 5 frames that are not the standard library's or
  an installed package's, or of its innermost 5 frames at all if there is no such; no line numbers, so that an edit
  above the mistake does not make it a new one,
* the first 200 characters of the first line of its message, in which numbers, hexadecimal ids, quoted text and entity
  ids are replaced by a mark, so that the same mistake about another lamp is the same mistake.

A later version gives new groups and leaves the old ones as they are: the version is a part of the fingerprint.
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
_NOT_THE_APPS: Final = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python\d[^/\\]*)[/\\]|^<frozen ")


def fingerprint(failure: FailureRow) -> str:
    """Return the fingerprint of a failure: equal for failures that are the same mistake."""
    digest = blake2b(digest_size=12)
    for part in (failure.kind, failure.type, *map(_place, _innermost(failure)), normalised(failure.message)):
        digest.update(part.encode("utf-8", "replace"))
        digest.update(b"\0")
    return f"{VERSION}:{digest.hexdigest()}"


def normalised(message: str) -> str:
    """Return the first line of a message with what varies from one failure to the next replaced by ``#``."""
    return _VARIABLE.sub("#", message[:400].partition("\n")[0])[:200]


def _innermost(failure: FailureRow) -> list[FrameRow]:
    own = [frame for frame in failure.frames if not _NOT_THE_APPS.search(frame.file)]
    return (own or list(failure.frames))[-INNERMOST_FRAMES:]


def _place(frame: FrameRow) -> str:
    return frame.file.replace("\\", "/").rpartition("/")[2] + ":" + frame.function
