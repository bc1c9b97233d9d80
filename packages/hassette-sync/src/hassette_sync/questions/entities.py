"""Names of entities and users, and suggestions for names that the history does not contain."""

import difflib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from hassette_store.search_form import search_form
from hassette_sync.answers.explanations import Entity
from hassette_sync.queries import causes as queries
from hassette_sync.queries.household import HOME_NAMES_OF
from hassette_sync.reader import ReadTransaction

ENTITY_ID = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
SERVICE = re.compile(
    r"\w+\.(?:turn_|toggle|set_|open_|close_|stop|start|play_|press|lock|unlock|reload|trigger|increment|decrement|"
    r"select_|send_|create|dismiss|media_|volume_|return_|pause|cancel|finish|apply|notify|speak)\w*"
)
"""Names of services. The history does not record whether a name such as ``light.turn_on`` belongs to an entity."""

_MAX_SUGGESTIONS = 20
_MAX_FITTING = 500
"""Maximum number of entities that a statement returns. If it returns so many, more may fit."""
_SIMILAR = 0.8
_HARDLY_SIMILAR = 0.5
_SHORTEST_WORD = 3
_ABOUT_AS_MANY = 0.5
_MOST_WORDS = 12
"""Most words of a text that are compared with the words of names. A longer text is no name."""
# A final s after three letters marks a plural. Words that end in two s, such as "glass", are singular.
_PLURAL = re.compile(r"(?<=[^\W_]{3})(?<!s)s\b")
# Words for all entities of a domain.
_DOMAINS = {
    **dict.fromkeys(("light", "lights", "lamp", "lamps"), "light"),
    **dict.fromkeys(("heating", "heater", "heaters", "thermostat", "thermostats", "radiator", "radiators"), "climate"),
    **dict.fromkeys(("blind", "blinds", "shutter", "shutters", "curtain", "curtains", "cover", "covers"), "cover"),
    **dict.fromkeys(("plug", "plugs", "switch", "switches"), "switch"),
    **{name: name for name in ("fan", "lock", "vacuum", "valve")},
}


class NamedEntity(NamedTuple):
    """The entity that a text means.

    Attributes:
        entity_id: Its id; None if no entity or several entities fit.
        fitting: The entities that fit, if there are several.
        similar: Entities with similar names. They do not fit, but the text may be misspelt.
        more_fit: Whether more entities may fit than were found.
    """

    entity_id: str | None
    fitting: tuple[Entity, ...] = ()
    similar: tuple[Entity, ...] = ()
    more_fit: bool = False


class HomeNames:
    """Looks up names within one read transaction.

    Args:
        transaction: Read transaction of the question.
    """

    def __init__(self, transaction: ReadTransaction) -> None:
        self._transaction = transaction
        self._entities: dict[str, Entity] = {}

    async def entity(self, entity_id: str) -> Entity:
        """Return an entity with its names."""
        if entity_id not in self._entities:
            row = await self._transaction.one(queries.HOME_NAME, {"kind": "entity", "key": entity_id})
            name, area = (row["name"], row["area"] or "") if row is not None else ("", "")
            self._entities[entity_id] = Entity(entity_id=entity_id, name=name, area=area)
        return self._entities[entity_id]

    async def _with_names(self, entity_ids: Sequence[str]) -> tuple[Entity, ...]:
        """Return entities with their names, which one statement reads."""
        rows = await self._transaction.all(HOME_NAMES_OF, {"entities": json.dumps(entity_ids)})
        for row in rows:
            entity_id = row["key"]
            self._entities[entity_id] = Entity(entity_id=entity_id, name=row["name"], area=row["area"] or "")
        return tuple([await self.entity(one) for one in entity_ids])

    async def user(self, user_id: str) -> str:
        """Return the name of a user, or an empty text if it is not known."""
        row = await self._transaction.one(queries.HOME_NAME, {"kind": "user", "key": user_id})
        return row["name"] if row is not None else ""

    async def followed_by(self, entity_id: str) -> str:
        """Return the entity that an entity follows; its integration if that is not known; empty if it follows none."""
        row = await self._transaction.one(queries.HOME_NAME, {"kind": "follower", "key": entity_id})
        return row["name"] if row is not None else ""

    async def find(self, text: str) -> NamedEntity:
        """Find the entity that a text means: an id, or words of its name. A transaction looks up a text once.

        An id means only the entity with exactly this id. For an unknown one, the answer has similar ids.
        """
        computed, key = self._transaction.computed, (HomeNames, text.strip())
        if key not in computed:
            computed[key] = await self._found(text.strip())
        return computed[key]

    async def _found(self, text: str) -> NamedEntity:
        row = await self._transaction.one(queries.KNOWN_NAME, {"name": text})
        if row is not None and ENTITY_ID.fullmatch(row["name"]) and await self._may_be_entity(row["name"]):
            return NamedEntity(row["name"])
        named = await self._transaction.all(queries.ENTITIES_NAMED, {"name": text})
        if len(named) == 1:
            return NamedEntity(named[0]["key"])
        parts = _words(text)
        if not parts:
            return NamedEntity(None)
        candidates = await self._candidates(max(parts, key=len))
        if ENTITY_ID.fullmatch(text.lower()) and not named:
            return await self._by_id(text.lower(), candidates)
        exact = [key for key, words in candidates.items() if parts in (_words(key), words)]
        if len(exact) == 1 and not named:
            return NamedEntity(exact[0])
        containing = [key for key, words in candidates.items() if parts <= words | _words(key)]
        containing += await self._of_domain(parts)
        if len(dict.fromkeys(containing)) == 1 and not named:
            return NamedEntity(containing[0])
        singular = _PLURAL.sub("", text)
        if not containing and not named and singular != text:
            one = await self._found(singular)  # doors mean each door
            if one.fitting or one.entity_id is not None:
                return one
        fitting = list(dict.fromkeys([*(row["key"] for row in named), *containing]))
        near = difflib.get_close_matches(
            text.lower().replace(" ", "_"), list(candidates), _MAX_SUGGESTIONS, _HARDLY_SIMILAR
        )
        similar = [name for name in near if name not in fitting]
        if not fitting and len(parts) <= _MOST_WORDS:
            for word in parts:  # the longest word may be misspelt
                candidates |= await self._candidates(word) if len(word) >= _SHORTEST_WORD else {}
            similar = _most_shared(parts, candidates, similar)
        return NamedEntity(
            None,
            await self._with_names(fitting[:_MAX_FITTING]),
            await self._with_names(similar),
            more_fit=len(fitting) >= _MAX_FITTING,
        )

    async def _by_id(self, entity_id: str, candidates: dict[str, frozenset[str]]) -> NamedEntity:
        """Return the entity with an id that no event contained yet, or entities with similar ids."""
        if await self._transaction.one(queries.HOME_NAME, {"kind": "entity", "key": entity_id}) is not None:
            return NamedEntity(entity_id)
        parts = _words(entity_id)
        near = [key for key in candidates if parts <= _words(key)]
        for cutoff in (_SIMILAR, _HARDLY_SIMILAR):
            near = near or difflib.get_close_matches(entity_id, list(candidates), _MAX_SUGGESTIONS, cutoff)
        similar = [await self.entity(name) for name in near[:_MAX_SUGGESTIONS]]
        return NamedEntity(None, similar=tuple(similar))

    async def _of_domain(self, parts: frozenset[str]) -> list[str]:
        """Return the entities that a text such as ``heating kitchen`` may mean: of a domain, with the other words."""
        domains = {_DOMAINS[word] for word in parts if word in _DOMAINS}
        if len(domains) != 1:
            return []
        others = frozenset(word for word in parts if word not in _DOMAINS)
        rows = await self._transaction.all(queries.ENTITIES_OF_DOMAIN, {"prefix": f"{domains.pop()}."})
        return [row["key"] for row in rows if others <= _words(f"{row['key']} {row['name']} {row['area'] or ''}")]

    async def _may_be_entity(self, name: str) -> bool:
        if not SERVICE.fullmatch(name):
            return True
        return await self._transaction.one(queries.HOME_NAME, {"kind": "entity", "key": name}) is not None

    async def _candidates(self, word: str) -> dict[str, frozenset[str]]:
        """Return the entities whose id, name or area contains the beginning of a text, and their names in words."""
        found: dict[str, frozenset[str]] = {}
        for part in dict.fromkeys((word, word[:4])):
            for row in await self._transaction.all(queries.ENTITIES_WITH, {"text": search_form(part)}):
                found[row["key"]] = _words(row["name"])
            for row in await self._transaction.all(queries.NAMES_WITH, {"part": part}):
                if ENTITY_ID.fullmatch(row["name"]) and not SERVICE.fullmatch(row["name"]):
                    found.setdefault(row["name"], frozenset())
        return found


def _most_shared(parts: frozenset[str], candidates: dict[str, frozenset[str]], near: list[str]) -> list[str]:
    """Return the entities that share the most words with a name, and then those with similar ids.

    One word may be missing, and the others may be misspelt: ``teh hall light``, ``hal light trun``.
    """
    # Each word is compared with each other word only once.
    similarity: dict[tuple[str, str], float] = {}

    def shared(key: str) -> float:
        words = candidates[key] | _words(key)
        return sum(max((_similarity(part, word, similarity) for word in words), default=0.0) for part in parts)

    scores = {key: shared(key) for key in candidates}
    fewest = max(_SIMILAR * max(len(parts) - 1, 1), max(scores.values(), default=0.0) - _ABOUT_AS_MANY)
    found = {key for key, score in scores.items() if score >= fewest} | set(near)
    return sorted(found, key=lambda key: (-scores[key], near.index(key) if key in near else len(near), key))[
        :_MAX_SUGGESTIONS
    ]


def _similarity(one: str, other: str, known: dict[tuple[str, str], float]) -> float:
    """Return the similarity of two words; 0 if they are different words."""
    if one == other:
        return 1.0
    if (one, other) not in known:
        ratio = difflib.SequenceMatcher(None, one, other).ratio()
        known[one, other] = ratio if ratio >= _SIMILAR and min(len(one), len(other)) >= _SHORTEST_WORD else 0.0
    return known[one, other]


def _words(text: str) -> frozenset[str]:
    """Return the words of a name or an id, in the search form."""
    return frozenset(re.findall(r"[^\W_]+", search_form(text) or ""))
