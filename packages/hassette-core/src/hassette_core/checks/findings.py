"""`Finding`: a problem that ``hassette check`` reports."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """Consequence of a finding for the exit code of ``hassette check``."""

    FAILED = "failed"
    """The app or the configuration cannot work. The exit code is 2."""
    WARNING = "warning"
    """The app or the configuration may be wrong. The exit code does not change."""


class Finding(NamedTuple):
    """A problem that ``hassette check`` reports.

    Attributes:
        level: The consequence for the exit code.
        subject: The app, the instance (``hall.north``) or the key of the configuration.
        text: One or two sentences with the problem and a fix.
        file: The file of the app's code, if the problem has a place in the code.
        line: The line in this file, from 1. 0 if there is no line.
    """

    level: Level
    subject: str
    text: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.text} (line {self.line} of {self.file})" if self.line else self.text
