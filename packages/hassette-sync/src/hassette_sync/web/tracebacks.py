"""Split tracebacks, so that a page can show the frames of the app first."""

import re
from dataclasses import dataclass

from hassette_store.writing.fingerprints import is_library_file

_FRAME = re.compile(r'  (?:[+| ] *)*File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>[^\n]+)')


@dataclass(frozen=True, slots=True)
class TracebackFrame:
    """One frame of a traceback.

    Attributes:
        file: File of the code.
        line: Number of the line, from 1.
        function: Name of the function.
        code: Source code of the line; may be empty.
        is_library: Whether the file belongs to the standard library or to an installed package.
    """

    file: str
    line: int
    function: str
    code: str
    is_library: bool


def frames_of(traceback: str) -> tuple[TracebackFrame, ...]:
    """Return the frames of a traceback as Python prints it, outermost first."""
    frames: list[TracebackFrame] = []
    lines = traceback.splitlines()
    for number, text in enumerate(lines):
        if (found := _FRAME.fullmatch(text)) is None:
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        code = following.strip(" |+") if following.startswith("  ") and _FRAME.fullmatch(following) is None else ""
        frames.append(
            TracebackFrame(
                file=found["file"],
                line=int(found["line"]),
                function=found["function"],
                code=code,
                is_library=is_library_file(found["file"]),
            )
        )
    return tuple(frames)
