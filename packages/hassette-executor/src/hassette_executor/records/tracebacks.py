"""Rendering of a failure as a traceback, within bounds."""

import linecache
import stat
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hassette_executor.records.texts import cut, redact_and_cut

if TYPE_CHECKING:
    from hassette_executor.records.failures import Failure

MAX_TRACEBACK = 64_000
"""Maximum number of bytes of a traceback, in UTF-8. Lines in the middle are left out."""
MAX_SOURCE_LINE = 300
"""Maximum number of characters of a line of source code, of the name of a file and of the name of a function."""
MAX_SOURCE_FILE = 16_000_000
"""Maximum size in bytes of a source file whose lines are shown. To find a line, Python keeps the file in memory."""
_LONGEST_LINE = 50_000
_HEAD = MAX_TRACEBACK // 4
_GAP = "  … ({left_out:,} lines are left out)\n"
_LONGEST_GAP = 100


def render(failure: "Failure") -> str:
    """Return a failure as Python prints an exception, without carets. Never raises.

    A traceback of more than `MAX_TRACEBACK` bytes is shortened in the middle: a quarter of these bytes shows its
    beginning, and the rest its end. The end is more useful, because it contains the exception itself.
    """
    head: list[str] = []
    tail: deque[tuple[str, int]] = deque()
    head_bytes, tail_bytes, left_out = 0, 0, 0
    for line in _lines(failure, SourceFiles(failure.redact)):
        size = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
        if not tail and head_bytes + size <= _HEAD:
            head.append(line)
            head_bytes += size
            continue
        tail.append((line, size))
        tail_bytes += size
        while tail_bytes > MAX_TRACEBACK - _HEAD - _LONGEST_GAP:
            tail_bytes -= tail.popleft()[1]
            left_out += 1
    if left_out:
        head.append(_GAP.format(left_out=left_out))
    return "".join((*head, *(line for line, _ in tail)))


class CodePlace(Protocol):
    """A line of a source file, such as a `Frame`."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...


class SourceFiles:
    """The source files of one traceback. For each file, check once whether it is readable and whether it was edited.

    Args:
        redact: Masks secrets in a line.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._readable: dict[str, bool] = {}

    def line(self, place: CodePlace) -> str:
        """Return a line of source code within bounds, without its indentation; empty if it cannot be read."""
        try:
            line = linecache.getline(place.file, place.line) if self._is_readable(place.file) else ""
        except Exception:  # noqa: BLE001  The file belongs to the app. A file name may be no path, and linecache is not
            return ""  # thread-safe: another thread may have removed the file from its cache.
        # A line may be megabytes long. `strip` would copy the line, so first cut it, with space for an indentation.
        return redact_and_cut(line[:_LONGEST_LINE].strip(), MAX_SOURCE_LINE, self._redact)

    def _is_readable(self, file: str) -> bool:
        readable = self._readable.get(file)
        if readable is None:
            readable = self._readable[file] = not _is_unsuitable(file)
            if readable:
                linecache.checkcache(file)  # the file may have been edited since it was cached
        return readable


def _is_unsuitable(file: str) -> bool:
    try:
        status = Path(file).stat()
    except OSError:
        return False  # linecache also finds files on the module path
    # Reading a FIFO or a device may block for ever.
    return not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SOURCE_FILE


def _lines(failure: "Failure", files: SourceFiles) -> Iterator[str]:
    if failure.cause is not None:
        yield from _lines(failure.cause, files)
        yield (
            "\nThe above exception was the direct cause of the following exception:\n\n"
            if failure.explicit_cause
            else "\nDuring handling of the above exception, another exception occurred:\n\n"
        )
    if failure.frames:
        yield "Traceback (most recent call last):\n"
    for frame in failure.frames:
        file, function = cut(frame.file, MAX_SOURCE_LINE), cut(frame.function, MAX_SOURCE_LINE)
        yield f'  File "{file}", line {frame.line}, in {function}\n'
        if source := files.line(frame):
            yield f"    {source}\n"
    yield f"{failure.type}: {failure.message}\n" if failure.message else f"{failure.type}\n"
    for number, inner in enumerate(failure.group, 1):
        yield f"  +---------------- {number} ----------------\n"
        for text in _lines(inner, files):
            for line in text.splitlines():
                yield f"  | {line}\n"
