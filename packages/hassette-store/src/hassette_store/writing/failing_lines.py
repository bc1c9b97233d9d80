"""Failing lines: the innermost line of app code of each failure. This line can differ within an error group."""

from hassette_store.insertion import RowValues
from hassette_store.rows import FailureRow
from hassette_store.writing.fingerprints import failing_frame

_NONE: RowValues = ("", 0, "", "")


class FailingLines:
    """Failing lines of one batch. Each line of source code is read once for a batch."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, str], RowValues] = {}

    def of(self, failure: FailureRow) -> RowValues:
        """Return file, line number, function and code of the failing line. Without frames, the values are empty."""
        frame = failing_frame(failure)
        if frame is None:
            return _NONE
        key = (frame.file, frame.line, frame.function)
        if (line := self._known.get(key)) is None:
            line = self._known[key] = (*key, failure.code_of(frame))
        return line
