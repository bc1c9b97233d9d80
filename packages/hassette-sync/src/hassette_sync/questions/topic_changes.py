"""The changes of the entities that a handler listens to, by its topic."""

import fnmatch
import re
from typing import Final

from hassette_sync.answers.explanations import StateChange
from hassette_sync.queries import causes as queries
from hassette_sync.questions.changes import MEASURING, SELDOM_RECORDED, change_of_row
from hassette_sync.questions.entities import ENTITY_ID, HomeNames
from hassette_sync.questions.evidence import changes_of
from hassette_sync.questions.names import near_entities
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import TimeRange

_MAX_ENTITIES: Final = 20
_STATE_TOPIC: Final = "state_changed."
_GLOB: Final = re.compile(r"[a-z0-9_*?\[\]!-]+\.[a-z0-9_*?\[\]!-]+")


class TopicChanges:
    """Finds the recorded changes of the entities in a topic.

    Args:
        transaction: Read transaction of the question.
        topic: Topic of a handler, such as ``state_changed.light.hall``. The schedule of a job has no entities.
        time_range: Time range of the changes.
        at_us: If there are too many changes, those around this moment are returned.
    """

    def __init__(self, transaction: ReadTransaction, topic: str, time_range: TimeRange, at_us: int) -> None:
        self._transaction = transaction
        self._range = time_range
        self._at_us = at_us
        parts = topic.removeprefix(_STATE_TOPIC).split(",") if topic.startswith(_STATE_TOPIC) else []
        # An attribute may follow the entity.
        named = [".".join(part.strip().split(".")[:2]) for part in parts[:_MAX_ENTITIES]]
        self._entities = [one for one in named if ENTITY_ID.fullmatch(one)]
        self._globs = [one for one in named if one not in self._entities and _GLOB.fullmatch(one)]

    async def changes(self, limit: int) -> tuple[StateChange, ...]:
        """Return the changes, newest first."""
        names = HomeNames(self._transaction)
        found: list[StateChange] = []
        for entity_id in self._entities:
            changes = await changes_of(self._transaction, names, entity_id, self._range, self._at_us)
            found += [one.change for one in changes]
        if self._globs:
            within = {"first_id": self._range.first_id, "end_id": self._range.end_id, "limit": queries.EXAMINED}
            rows = await self._transaction.all(queries.CHANGES_IN, dict(within))
            matching = [row for row in rows if any(fnmatch.fnmatchcase(row["entity_id"], one) for one in self._globs)]
            found += [await change_of_row(names, row) for row in matching[:limit]]
        return tuple(sorted(found, key=lambda change: -change.at_us)[:limit])

    async def hints(self) -> str:
        """Return why changes may be missing: an entity that the history does not know, or a measuring entity."""
        found = [(one, await near_entities(self._transaction, one)) for one in self._entities]
        hints = [f" The history does not know {one}. Did you mean {' or '.join(near)}?" for one, near in found if near]
        if not hints and any(one.partition(".")[0] in MEASURING for one in (*self._entities, *self._globs)):
            hints.append(f" {SELDOM_RECORDED}")
        return "".join(hints)
