"""Fingerprints of failures: failures with the same cause get the same fingerprint and form one error group.

Version 1 of a fingerprint is a hash of

* the failure's kind and exception class,
* the file names (with the last directory only) and functions of the innermost 5 frames of app code,
* the first line of the message, with its variable parts replaced by ``#``; see `hassette_store.writing.identifiers`,
* the fingerprints of the exceptions in an exception group. The message of an `asyncio.TaskGroup` is the same for all
  failures of its tasks.

App code is all code outside the standard library and installed packages. If no frame is of app code, the innermost 5 of
all frames count. Line numbers do not count, so that an edit further up in the file does not form a new group. In an
endless recursion, each place counts once, and the message does not count, because the innermost calls differ from run
to run.

A fingerprint contains its version. A later version will therefore form new groups, and will not change the old groups.
"""

import re
from hashlib import blake2b
from typing import Final

from hassette_store.rows import FailureRow, FrameRow
from hassette_store.writing.identifiers import normalised

VERSION: Final = 1
INNERMOST_FRAMES: Final = 5

_RECURSION: Final = "RecursionError"
_LIBRARY_FILE: Final = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python\d[^/\\]*)[/\\]|^<frozen ")


def fingerprint(failure: FailureRow) -> str:
    """Return the fingerprint of a failure, such as ``1:9f86d081884c7d659a2feaa0``."""
    digest = blake2b(digest_size=12)
    # Tasks may fail in any order, and several may fail for the same reason.
    group = sorted({fingerprint(inner) for inner in failure.group})
    message = "" if failure.type == _RECURSION else normalised(failure.message)
    for part in (failure.kind, failure.type, *_locations(failure), message, *group):
        digest.update(part.encode("utf-8", "replace"))
        digest.update(b"\0")
    return f"{VERSION}:{digest.hexdigest()}"


def is_library_file(file: str) -> bool:
    """Return whether a file of a traceback belongs to the standard library or to an installed package."""
    return _LIBRARY_FILE.search(file) is not None


def failing_frame(failure: FailureRow) -> FrameRow | None:
    """Return the innermost frame of app code, or of all code if no frame is of app code; None without frames."""
    frames = _app_frames(failure)
    return frames[-1] if frames else None


def _app_frames(failure: FailureRow) -> list[FrameRow]:
    return [frame for frame in failure.frames if not is_library_file(frame.file)] or list(failure.frames)


def _locations(failure: FailureRow) -> list[str]:
    frames = _app_frames(failure)
    if failure.type == _RECURSION:
        return sorted({_location(frame) for frame in frames})
    return [_location(frame) for frame in frames[-INNERMOST_FRAMES:]]


def _location(frame: FrameRow) -> str:
    # Code that was compiled from a text may have a file name such as "<template 17>". The last directory may contain a
    # version, such as "python3.12".
    directory, _, name = frame.file.replace("\\", "/").rpartition("/")
    directory = normalised(directory.rpartition("/")[2])
    return f"{directory}/{normalised(name) if name.startswith('<') else name}:{frame.function}"
