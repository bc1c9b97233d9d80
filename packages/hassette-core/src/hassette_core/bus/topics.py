"""`TopicIndex`: find the listeners of a topic quickly, for any number of listeners."""

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from hassette_core.entities import Matches, glob_matcher, is_glob
from hassette_core.errors import RegistrationError

_SET = re.compile(r"\[[^\]]+\]")
MAX_EVENT_TYPE_CHARACTERS = 64
"""Home Assistant does not fire an event with a longer type."""

_Listener = TypeVar("_Listener")


class TopicIndex(Generic[_Listener]):
    """Listeners by topic. Exact topics are in a dictionary, and globs are grouped by their literal prefix.

    The first search for a topic tries each distinct glob of the topic's group, and each distinct glob without a group.
    A later search for the same topic is a single dictionary access.

    Args:
        group: Function that returns the group of a topic or glob. The group is a literal prefix, such as the domain of
            an entity id. For a glob that may match topics of any group, the function returns an empty string.
        matcher: Function that takes a glob, and returns a function that compares a topic with this glob. The index
            calls it once for each distinct glob.
        max_cached: Number of topics whose listeners are cached. When the cache is full, it is cleared.
        order: Function that returns the place of a listener. The found listeners are sorted by it. Without the
            function, the listeners of the exact topic come first.
    """

    def __init__(
        self,
        group: Callable[[str], str],
        *,
        matcher: Callable[[str], Matches] = glob_matcher,
        max_cached: int = 10_000,
        order: Callable[[_Listener], tuple[int, int]] | None = None,
    ) -> None:
        self._group = group
        self._order = order
        self._matcher = matcher
        self._max_cached = max_cached
        self._exact: dict[str, list[_Listener]] = {}
        self._globs: dict[str, dict[str, tuple[Matches, list[_Listener]]]] = {}
        self._resolved: dict[str, tuple[_Listener, ...]] = {}

    def add(self, topic: str, listener: _Listener) -> None:
        """Add a listener to a topic or glob."""
        if not is_glob(topic):
            self._exact.setdefault(topic, []).append(listener)
            self._resolved.pop(topic, None)
            return
        globs = self._globs.setdefault(self._group(topic), {})
        if topic not in globs:
            globs[topic] = (self._matcher(topic), [])
        globs[topic][1].append(listener)
        self._resolved.clear()

    def remove(self, topic: str, listener: _Listener) -> None:
        """Remove a listener.

        Raises:
            LookupError, ValueError: The listener is not in the index.
        """
        if not is_glob(topic):
            self._exact[topic].remove(listener)
            if not self._exact[topic]:
                del self._exact[topic]
            self._resolved.pop(topic, None)
            return
        group = self._group(topic)
        _, listeners = self._globs[group][topic]
        listeners.remove(listener)
        if not listeners:
            del self._globs[group][topic]
        self._resolved.clear()

    def find(self, topic: str) -> tuple[_Listener, ...]:
        """Return the listeners of a topic, in their order.

        A listener with several topics and globs that match is returned once.
        """
        found = self._resolved.get(topic)
        if found is None:
            if len(self._resolved) >= self._max_cached:
                self._resolved.clear()
            found = self._resolved[topic] = self._resolve(topic)
        return found

    def _resolve(self, topic: str) -> tuple[_Listener, ...]:
        found = list(self._exact.get(topic, ()))
        for group in dict.fromkeys((self._group(topic), "")):
            for matches, listeners in self._globs.get(group, {}).values():
                if matches(topic):
                    found += listeners
        distinct = tuple(dict.fromkeys(found))
        return distinct if self._order is None else tuple(sorted(distinct, key=self._order))


def any_group(_: str) -> str:
    """Put all topics into one group, because event types have no common prefix."""
    return ""


def check_event_type(event_type: object) -> str:
    """Check an event type or glob, and return it.

    Raises:
        RegistrationError: The value can match no event, because it is not a string, is empty, or is longer than Home
            Assistant allows.
    """
    if not isinstance(event_type, str) or not event_type:
        raise RegistrationError(
            f"event_type must be an event type, such as 'call_service', or a glob, such as 'mobile_app_*', got"
            f" {event_type!r}"
        )
    shortest = len(_SET.sub("?", event_type).replace("*", ""))
    if shortest > MAX_EVENT_TYPE_CHARACTERS:
        raise RegistrationError(
            f"event_type must have at most {MAX_EVENT_TYPE_CHARACTERS} characters, as every event type of Home"
            f" Assistant has, got {shortest}: {event_type!r}"
        )
    return event_type
