"""`EntityIndex`: find the listeners of an entity that are registered for ids, globs and selections."""

from typing import Generic, Protocol, TypeVar

from hassette_core.bus.topics import TopicIndex
from hassette_core.entities import Entities, domain_of
from hassette_core.events import Event
from hassette_core.selection import EntitySelection
from hassette_executor import EventTrigger


class EventReceiver(Protocol):
    """A listener, or a task that waits for an event."""

    @property
    def owner(self) -> tuple[str, ...]:
        """App and instance."""
        ...

    @property
    def order(self) -> tuple[int, int]:
        """The place among the receivers of an event: the negative priority, and the number of the registration."""
        ...

    def offer(self, event: Event, trigger: EventTrigger) -> object:
        """Receive an event of the topic."""
        ...

    def fail(self, error: BaseException, trigger: EventTrigger | None = None) -> None:
        """Report that code of the app that checks the event raised an exception."""
        ...


ListenerT = TypeVar("ListenerT", bound=EventReceiver)


def order_of(receiver: EventReceiver) -> tuple[int, int]:
    """Return the place of a receiver: those with a higher priority come first, and then the older ones."""
    return receiver.order


class EntityIndex(Generic[ListenerT]):
    """Listeners by the entities to which they listen.

    Ids and globs are in a `TopicIndex`, whose answers are cached. A selection may change at any moment, so each
    distinct selection is asked for each entity again.
    """

    def __init__(self) -> None:
        self._topics: TopicIndex[ListenerT] = TopicIndex(domain_of, order=order_of)
        self._selections: list[tuple[EntitySelection, list[ListenerT]]] = []

    def add(self, entities: Entities, listener: ListenerT) -> None:
        """Add a listener."""
        for topic in entities.topics:
            self._topics.add(topic, listener)
        for selection in entities.selections:
            for known, listeners in self._selections:
                if known == selection:
                    listeners.append(listener)
                    break
            else:
                self._selections.append((selection, [listener]))

    def remove(self, entities: Entities, listener: ListenerT) -> None:
        """Remove a listener that has been added with the same entities."""
        for topic in entities.topics:
            self._topics.remove(topic, listener)
        for selection in entities.selections:
            _, listeners = next(entry for entry in self._selections if entry[0] == selection)
            listeners.remove(listener)
        self._selections = [entry for entry in self._selections if entry[1]]

    def find(self, entity_id: str) -> tuple[ListenerT, ...]:
        """Return the listeners of an entity, each once and in their order."""
        found = self._topics.find(entity_id)
        return self._with_selected(entity_id, found) if self._selections else found

    def _with_selected(self, entity_id: str, found: tuple[ListenerT, ...]) -> tuple[ListenerT, ...]:
        all_found = dict.fromkeys(found)
        for selection, listeners in self._selections:
            try:
                matches = selection.matches(entity_id)
            except BaseException as error:  # noqa: BLE001  A selection may be code of an app. Its exception, even a
                # SystemExit, concerns only the listeners of this selection.
                for listener in listeners:
                    listener.fail(error)
                continue
            if matches:
                all_found.update(dict.fromkeys(listeners))
        return found if len(all_found) == len(found) else tuple(sorted(all_found, key=order_of))
