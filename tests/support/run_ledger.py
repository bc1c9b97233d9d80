"""Ledger of runs: a text file, independent of the history, with each run that a writer tried to write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from support.page_reader import Flip

# A run may get a free id after its own. After a small step back of the clock, ids do not go back.
TOLERANCE_S = 15.0
# Without a step, the time in the id of a run differs from its number only by the time to write a batch.
WRITING_S = 0.1
_FIELDS = 6
_PLACEHOLDER = "(lost"


class Facts(NamedTuple):
    """Facts about a run.

    Attributes:
        app: Its app.
        handler: Its handler.
        entity: Its entity.
        wrong_s: By how much its writer's clock was ever wrong; 0 if it was always right.
    """

    app: str
    handler: str
    entity: str
    wrong_s: int


class StoredRun(NamedTuple):
    """A run in the history."""

    app: str
    handler: str
    entity: str
    text: str
    status: str
    at_us: int


@dataclass
class Ledger:
    """All runs that a writer tried to write, and the runs that the store acknowledged.

    The number of a run is the true time at which it was written, in nanoseconds.

    Attributes:
        file: The text file.
        tried: All runs.
        acknowledged: The runs that the store acknowledged.
        suspects: Runs that may have wrong values, because a byte of their row or of the row of a name was flipped.
        changed_placeholders: Placeholders of lost names that may have changed, because a byte of their row was flipped.
    """

    file: Path
    tried: dict[int, Facts] = field(default_factory=dict[int, Facts])
    acknowledged: set[int] = field(default_factory=set[int])
    suspects: set[int] = field(default_factory=set[int])
    changed_placeholders: set[str] = field(default_factory=set[str])
    _read: int = 0

    def read(self) -> None:
        """Read the new lines of the file."""
        if not self.file.exists():
            return
        with self.file.open("rb") as lines:
            lines.seek(self._read)
            new = lines.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        for line in new.decode().splitlines():
            if len(fields := line.split()) != _FIELDS:
                # A killed writer left an incomplete line.
                continue
            kind, number, app, handler, entity, wrong_s = fields
            if kind == "ack":
                self.acknowledged.add(int(number))
            else:
                self.tried[int(number)] = Facts(app, handler, entity, int(wrong_s))

    def add_flips(self, flips: Iterable[Flip]) -> None:
        """Note what flipped bytes may have changed."""
        names: set[str] = set()
        for flip in flips:
            self.suspects |= flip.runs
            names |= flip.names
        self.changed_placeholders.update(name for name in names if name.startswith(_PLACEHOLDER))
        if names:
            self.suspects.update(run for run, facts in self.tried.items() if {facts.handler, facts.entity} & names)

    def number_of(self, text: str) -> int | None:
        """Return the number of the run with a text, or None if no run was written with this text."""
        number = text.removeprefix("run-")
        return int(number) if number.isdecimal() and int(number) in self.tried else None

    def is_explained(self, stored: StoredRun) -> bool:
        """Return whether a flipped byte can explain a run with an unknown text.

        The byte has changed the text of a suspect, or it has moved the texts of the row so that another text of the row
        is read in its place. Then the time of the row still is the time of the suspect.
        """
        return any(_is_changed(f"run-{run}", stored.text) or self._has_time_of(run, stored) for run in self.suspects)

    def _has_time_of(self, run: int, stored: StoredRun) -> bool:
        if (facts := self.tried.get(run)) is None:
            # A byte that was flipped earlier had changed this number.
            return False
        later_s = stored.at_us / 1e6 - run / 1e9
        return min(abs(later_s), abs(later_s - facts.wrong_s)) <= WRITING_S

    def wrong_values(self, stored: Mapping[int, StoredRun]) -> dict[int, Any]:
        """Return the runs with a wrong value that no flipped byte explains."""
        wrong: dict[int, Any] = {}
        for run, values in stored.items():
            if run in self.suspects or (facts := self.tried.get(run)) is None:
                continue
            written = (*facts[:3], f"run-{run}", "success")
            if any(one != two and not self._was_lost(str(one)) for one, two in zip(values, written, strict=False)):
                wrong[run] = values
        return wrong

    def _was_lost(self, value: str) -> bool:
        return _PLACEHOLDER in value or any(_is_changed(one, value) for one in self.changed_placeholders)

    def wrong_times(self, stored: Mapping[int, StoredRun], now_s: float) -> dict[int, float]:
        """Return the error of the time of each run whose time was known, in seconds.

        If the clock of a session was wrong for a part of the session, the store cannot know which part. So the time of
        these runs may be wrong by the same amount. The store moves runs in the future to a time before its next start.
        """
        wrong: dict[int, float] = {}
        for run, values in stored.items():
            if run in self.suspects or (facts := self.tried.get(run)) is None:
                continue
            error_s = values.at_us / 1e6 - run / 1e9
            if abs(error_s) <= TOLERANCE_S or (facts.wrong_s and abs(error_s - facts.wrong_s) <= TOLERANCE_S):
                continue
            if facts.wrong_s > 0 and 0 < error_s <= now_s - run / 1e9:
                continue
            wrong[run] = error_s
        return wrong


def _is_changed(text: str, changed: str) -> bool:
    """Return whether one flipped byte could change a text: one of its letters, or its length or position in the row."""
    if len(text) == len(changed) and sum(one != two for one, two in zip(text, changed, strict=True)) <= 1:
        return True
    # The length of this text or of the text before it may have changed.
    return (
        text.startswith(changed)
        or any(text[cut:] in changed for cut in range(min(16, len(text) - 3)))
        or any(changed[cut:] in text for cut in range(min(16, len(changed) - 3)))
    )
