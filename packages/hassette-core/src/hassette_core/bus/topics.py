"""Who listens to what: found without asking those who do not."""

import difflib
import fnmatch
import re
from collections.abc import Callable
from typing import Generic, TypeVar

from hassette_core.errors import RegistrationError

MAX_ROUTES = 10_000
"""How many resolved topics are remembered; beyond that all are forgotten and resolved again."""

_PART = r"(?:[a-z0-9_*?]|\[!?[a-z0-9_-]+\])+"
_ENTITY = re.compile(rf"{_PART}\.{_PART}")
_WILD = re.compile(r"[*?\[]")

_Listener = TypeVar("_Listener")


class TopicIndex(Generic[_Listener]):
    """Listeners by topic: exact ones in a dictionary, globs grouped by what their topics begin with.

    A topic that has been asked for once is one dictionary look-up from then on, however many listeners there are.
    Finding it for the first time tries each distinct glob of its group, and no listener.

    Args:
        group: Returns the literal beginning that a topic or glob belongs to, such as the domain of an entity id; an
            empty string when a glob may match topics of any group.
    """

    def __init__(self, group: Callable[[str], str]) -> None:
        self._group = group
        self._exact: dict[str, list[_Listener]] = {}
        self._globs: dict[str, dict[str, tuple[re.Pattern[str], list[_Listener]]]] = {}
        self._routes: dict[str, tuple[_Listener, ...]] = {}

    def add(self, topic: str, listener: _Listener) -> None:
        """Add a listener to a topic or glob."""
        if not is_glob(topic):
            self._exact.setdefault(topic, []).append(listener)
            self._routes.pop(topic, None)
            return
        globs = self._globs.setdefault(self._group(topic), {})
        if topic not in globs:
            globs[topic] = (re.compile(fnmatch.translate(topic)), [])
        globs[topic][1].append(listener)
        self._routes.clear()

    def remove(self, topic: str, listener: _Listener) -> None:
        """Take a listener out again.

        Raises:
            LookupError, ValueError: It is not there.
        """
        if not is_glob(topic):
            self._exact[topic].remove(listener)
            if not self._exact[topic]:
                del self._exact[topic]
            self._routes.pop(topic, None)
            return
        group = self._group(topic)
        _, listeners = self._globs[group][topic]
        listeners.remove(listener)
        if not listeners:
            del self._globs[group][topic]
        self._routes.clear()

    def find(self, topic: str) -> tuple[_Listener, ...]:
        """Return who listens to a topic: exact listeners first, each kind in the order of their coming."""
        route = self._routes.get(topic)
        if route is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            route = self._routes[topic] = self._resolve(topic)
        return route

    def _resolve(self, topic: str) -> tuple[_Listener, ...]:
        found = list(self._exact.get(topic, ()))
        for group in dict.fromkeys((self._group(topic), "")):
            for pattern, listeners in self._globs.get(group, {}).values():
                if pattern.match(topic):
                    found += listeners
        return tuple(found)


def is_glob(topic: str) -> bool:
    """Return whether a topic stands for several."""
    return _WILD.search(topic) is not None


def domain_of(entity: str) -> str:
    """Return the domain of an entity id, or of a glob whose domain is spelled out; empty for any other glob."""
    domain = entity.partition(".")[0]
    return "" if is_glob(domain) else domain


def any_group(_: str) -> str:
    """Put all topics in one group: event types have no common beginning."""
    return ""


def check_entity(entity_id: object) -> str:
    """Return an entity id or glob as it is indexed: ``*`` alone stands for ``*.*``.

    Raises:
        RegistrationError: Nothing can ever match it; the message proposes what could.
    """
    if not isinstance(entity_id, str):
        raise RegistrationError(
            f"entity_id={entity_id!r} is not a text: give one entity id or glob, and register the handler once for each"
        )
    if entity_id == "*":
        return "*.*"
    if _ENTITY.fullmatch(entity_id) is None:
        raise RegistrationError(
            f"entity_id={entity_id!r} can never match: an entity id is lower case letters, digits and underscores with"
            f" one dot, such as 'light.hall', and a glob may hold * ? [abc]; did you mean {_mended(entity_id)!r}?"
        )
    return entity_id


def check_event_type(event_type: object) -> str:
    """Return an event type or glob.

    Raises:
        RegistrationError: It is not a text, is empty, or holds a space, which no event type does.
    """
    if isinstance(event_type, str) and event_type and not re.search(r"\s", event_type):
        return event_type
    hint = difflib.get_close_matches(re.sub(r"\s+", "_", str(event_type).strip()), ("state_changed", "call_service"))
    raise RegistrationError(
        f"event_type={event_type!r} can never match: an event type is one word, such as"
        f" {hint[0] if hint else 'call_service'!r}, or a glob such as 'mobile_app_*'"
    )


def _mended(entity: str) -> str:
    cleaned = re.sub(r"[^a-z0-9_.*?]+", "_", re.sub(r"[\[\]!]", "", entity.strip().lower())).strip(".") or "*"
    domain, _, name = cleaned.partition(".")
    return f"{domain}.{name.replace('.', '_') or '*'}"
