"""Entity ids, globs and selections: check the entities that an app names, and find them among the states."""

import fnmatch
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from hassette_core.errors import RegistrationError
from hassette_core.selection import EntitySelection

_PART = r"(?:[a-z0-9_*?]|\[!?[a-z0-9_-]+\])+"
_ENTITY = re.compile(rf"{_PART}\.{_PART}")
# Most entity ids: no glob, and no part with an underscore where Home Assistant allows none.
_PLAIN = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*\.[a-z0-9][a-z0-9_]*")
_RANGE = re.compile(r"\[[^\]]*?([a-z0-9_])-([a-z0-9_])")
MAX_ENTITY_ID_CHARACTERS = 255
"""The longest entity id that Home Assistant accepts."""
_WILD = re.compile(r"[*?\[]")
_ACCENT = re.compile("[\u0300-\u036f]")
# The most common domains. A glob that begins with such a domain (`light*`) means a domain, and not names (`hall*`).
_DOMAINS = {"binary_sensor", "climate", "cover", "input_boolean", "light", "media_player", "person", "sensor", "switch"}
MAX_NAMED_CHARACTERS = 200
"""A longer list of entities is cut where it is a name, such as the topic of a listener."""
MAX_DESCRIBED = 50

Matches = Callable[[str], object]
"""Returns a true value for a topic that matches a glob."""
EntityArgument = str | EntitySelection | Iterable[str | EntitySelection]
"""An entity id, a glob, a selection such as the lights of an area, or several of these."""


class Entities(NamedTuple):
    """The entities that an argument names.

    Attributes:
        ids: Entity ids, each once.
        globs: Globs, each once. They are current at every moment, as selections are.
        selections: Selections by a rule.
        matchers: For each glob, the function that compares an entity id with it.
    """

    ids: tuple[str, ...]
    globs: tuple[str, ...] = ()
    selections: tuple[EntitySelection, ...] = ()
    matchers: tuple[Matches, ...] = ()

    @property
    def single(self) -> bool:
        """Whether the argument is one entity id."""
        return len(self.ids) == 1 and not self.globs and not self.selections

    @property
    def topics(self) -> tuple[str, ...]:
        """The ids and globs: the keys with which an index finds the entities."""
        return self.ids + self.globs

    def matches(self, entity_id: str) -> bool:
        """Return whether the argument names an entity now."""
        return (
            entity_id in self.ids
            or any(matches(entity_id) for matches in self.matchers)
            or any(selection.matches(entity_id) for selection in self.selections)
        )

    def find(self, known: Iterable[str]) -> list[str]:
        """Return the named entities: all ids, even if there is no such entity, and the known entities that match."""
        found = dict.fromkeys(self.ids)
        if self.globs or self.selections:
            found.update(dict.fromkeys(entity_id for entity_id in known if self.matches(entity_id)))
        return list(found)

    def describe(self, conjunction: str = "and") -> str:
        """Return the entities as a text: ``light.hall``, ``light.hall and light.kitchen``. A long list is cut."""
        parts = [*self.ids, *self.globs, *(selection.describe() for selection in self.selections)]
        if len(parts) == 1:
            return parts[0]
        if len(parts) > MAX_DESCRIBED:
            parts[MAX_DESCRIBED - 1 :] = [f"{len(parts) - MAX_DESCRIBED + 1} more"]
        return f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"

    def topic(self) -> str:
        """Return the entities as a name that does not depend on their order.

        A long list is cut, and ends with a checksum of the whole list. Otherwise two lists could get the same name.
        """
        if self.single and len(self.ids[0]) <= MAX_NAMED_CHARACTERS:
            return self.ids[0]
        parts = [*sorted(self.ids), *sorted(self.globs), *sorted(each.describe() for each in self.selections)]
        name = ", ".join(parts)
        if len(name) <= MAX_NAMED_CHARACTERS or len(parts) == 1:
            return name
        kept: list[str] = []
        while parts and len(", ".join([*kept, parts[0]])) < MAX_NAMED_CHARACTERS:
            kept.append(parts.pop(0))
        checksum = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{', '.join(kept)} and {len(parts)} more ({checksum})"


def parse_entities(option: str, value: object) -> Entities:
    """Check an entity id, a glob, a selection, or several of these.

    Args:
        option: The name of the option, for the error message.
        value: The argument. A generator is read once.

    Raises:
        RegistrationError: The value names no entity. The message contains a correction.
    """
    if type(value) is str and len(value) <= MAX_ENTITY_ID_CHARACTERS and _PLAIN.fullmatch(value) is not None:
        return Entities((value,))  # an app may register ten thousand listeners at once; this makes it quick
    if isinstance(value, str | EntitySelection):
        items: list[object] = [value]
    elif isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview | Mapping):
        items = list(cast("Iterable[object]", value))
        if not items:
            raise RegistrationError(f"{option} must name at least one entity, got {value!r}")
    else:
        hint = ""
        if isinstance(value, Mapping):
            hint = f"; write {[str(key) for key in cast('Mapping[object, object]', value)]!r}"
        raise RegistrationError(
            f"{option} must be an entity id, a glob, a selection such as self.home.area(...), or several of these,"
            f" got {value!r}{hint}"
        )
    ids: dict[str, None] = {}
    globs: dict[str, None] = {}
    selections: list[EntitySelection] = []
    for item in items:
        if not isinstance(item, str) and isinstance(item, EntitySelection):  # the check of a protocol takes 15 µs
            if item not in selections:
                selections.append(item)
        else:
            topic = check_entity(item, option=option)
            (globs if is_glob(topic) else ids)[topic] = None
    return Entities(tuple(ids), tuple(globs), tuple(selections), tuple(glob_matcher(glob) for glob in globs))


def is_glob(topic: str) -> bool:
    """Return whether a topic contains a wildcard and may match several topics."""
    return _WILD.search(topic) is not None


def glob_matcher(glob: str) -> Matches:
    """Return a function that compares a topic with a glob. A topic that equals the glob also matches.

    The reason is that an event type may contain the characters of a glob. As a glob, ``alert[1]`` does not match the
    event type ``alert[1]``.
    """
    match = re.compile(fnmatch.translate(glob)).match
    if match(glob):
        return match  # nearly all globs; without the comparison, the search is twice as fast
    return lambda topic: topic == glob or match(topic)


def domain_of(entity: str) -> str:
    """Return the domain of an entity id or glob, or an empty string if the domain contains a wildcard."""
    domain = entity.partition(".")[0]
    return "" if is_glob(domain) else domain


def check_entity(entity_id: object, *, option: str = "entity_id", globs: bool = True) -> str:
    """Check an entity id or glob, and return it in the form that the index stores: ``*`` becomes ``*.*``.

    Args:
        entity_id: The value.
        option: The name of the option, for the error message.
        globs: Whether the message may propose a glob.

    Raises:
        RegistrationError: The value can match no entity. For most strings, the message contains a corrected value.
    """
    if not isinstance(entity_id, str):
        raise RegistrationError(f"{option} must be an entity id or a glob, got {entity_id!r}")
    if entity_id == "*":
        return "*.*"
    if _ENTITY.fullmatch(entity_id) is None:
        corrected = _corrected(entity_id)
        is_possible = _never_an_entity(corrected) is None and (globs or not is_glob(corrected))
        hint = f"; did you mean {corrected!r}?" if is_possible else ""
        raise RegistrationError(
            f"{option} must consist of lower case letters, digits and underscores with one dot, such as"
            f" 'light.hall',{' or be a glob with * ? [abc],' if globs else ''} got {entity_id!r}{hint}"
        )
    if (problem := _never_an_entity(entity_id)) is not None:
        raise RegistrationError(f"{option} must be an entity id of Home Assistant, got {entity_id!r}: {problem}")
    return str.__str__(entity_id)  # the plain string of a member of an enumeration


def _never_an_entity(entity_id: str) -> str | None:
    """Return the reason why no entity has an id, or matches a glob. None if there may be one."""
    if any(part.startswith("_") for part in entity_id.split(".")):
        return "no part of an entity id starts with an underscore"
    if "__" in entity_id.partition(".")[0]:
        return "no domain has two underscores in a row"
    if any(first > last for first, last in _RANGE.findall(entity_id)):
        return "a range such as [a-f] must start with the smaller character"
    if not is_glob(entity_id) and len(entity_id) > MAX_ENTITY_ID_CHARACTERS:
        return f"an entity id has at most {MAX_ENTITY_ID_CHARACTERS} characters"
    return None


def check_entity_id(option: str, value: Any) -> str:
    """Check the id of one entity, and return it.

    Raises:
        RegistrationError: The value is not an entity id, or it is a glob.
    """
    if isinstance(value, str) and is_glob(value):
        raise RegistrationError(f"{option} must be the id of one entity, got the glob {value!r}")
    return check_entity(value, option=option, globs=False)


def _corrected(entity: str) -> str:
    # Home Assistant writes `küche` as `kuche` in an entity id.
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", entity.strip().lower()))
    cleaned = re.sub(r"[^a-z0-9_.*?]+", "_", re.sub(r"[\[\]!]", "", plain)).rstrip(".") or "*"
    domain, dot, name = cleaned.partition(".")
    if not dot:
        # A text without a dot is a name (`hall`, `*_motion`), unless it begins with a known domain (`light hall`).
        if (known := next((known for known in _DOMAINS if cleaned.startswith(f"{known}_")), None)) is not None:
            domain, name = known, cleaned.removeprefix(f"{known}_")
        elif (known := cleaned.rstrip("*?")) in _DOMAINS:
            domain, name = known, "*"
        else:
            domain, name = "*", cleaned
    domain, name = re.sub(r"_+", "_", domain).strip("_"), name.lstrip(".").replace(".", "_").strip("_")
    return f"{domain or '*'}.{name or '*'}"
