"""Names of entities and users, and suggestions for names that the history does not contain."""

import difflib
import re

from hassette_sync.answers.explanations import Entity
from hassette_sync.queries import causes as queries
from hassette_sync.reader import ReadTransaction

ENTITY_ID = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_MAX_SUGGESTIONS = 6


class HomeNames:
    """Looks up names within one read transaction.

    Args:
        transaction: Read transaction of the question.
    """

    def __init__(self, transaction: ReadTransaction) -> None:
        self._transaction = transaction

    async def entity(self, entity_id: str) -> Entity:
        """Return an entity with its names."""
        return Entity(entity_id=entity_id)

    async def user(self, user_id: str) -> str:
        """Return the name of a user, or an empty text if it is not known."""
        return ""

    async def find(self, text: str) -> tuple[str | None, tuple[Entity, ...]]:
        """Find the entity that a text means: an id, or words of its name.

        Returns:
            The id, or None if no entity or several entities fit; and the entities with similar names.
        """
        text = text.strip()
        row = await self._transaction.one(queries.KNOWN_NAME, {"name": text})
        if row is not None and ENTITY_ID.fullmatch(row["name"]):
            return row["name"], ()
        parts = re.findall(r"\w+", text.lower().replace("_", " "))
        if not parts:
            return None, ()
        longest = max(parts, key=len)
        candidates: dict[str, None] = {}
        for part in (longest, longest[:4]):
            rows = await self._transaction.all(queries.NAMES_WITH, {"part": part})
            candidates |= {row["name"]: None for row in rows if ENTITY_ID.fullmatch(row["name"])}
        wanted = set(parts)
        exact = [name for name in candidates if wanted == set(re.split(r"[._]", name))]
        if len(exact) == 1:
            return exact[0], ()
        containing = [name for name in candidates if wanted <= set(re.split(r"[._]", name))]
        near = difflib.get_close_matches("_".join(parts), list(candidates), n=_MAX_SUGGESTIONS, cutoff=0.5)
        suggested = list(dict.fromkeys([*containing, *near]))[:_MAX_SUGGESTIONS]
        return None, tuple([await self.entity(name) for name in suggested])
