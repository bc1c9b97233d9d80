"""`MessageTopics`: the MQTT messages of the simulated home. There is no broker."""

from collections.abc import Callable
from typing import NamedTuple


class MqttMessage(NamedTuple):
    """A message that a service published, or that a device sent."""

    topic: str
    payload: str
    qos: int = 0
    retain: bool = False


class MessageTopics:
    """Passes MQTT messages to subscribers, and keeps retained messages."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[str, Callable[[MqttMessage], None]]] = []
        self._retained: dict[str, MqttMessage] = {}

    def publish(self, message: MqttMessage) -> None:
        """Pass a message to all subscribers of its topic."""
        if message.retain:
            self._retained[message.topic] = message
            if not message.payload:
                del self._retained[message.topic]
        for pattern, callback in tuple(self._subscribers):
            if matches(pattern, message.topic):
                callback(message)

    def subscribe(self, pattern: str, callback: Callable[[MqttMessage], None]) -> Callable[[], None]:
        """Call ``callback`` with each message of a topic, and return a function that ends this.

        ``+`` and ``#`` in the topic are wildcards.
        """
        entry = (pattern, callback)
        self._subscribers.append(entry)
        for topic, message in tuple(self._retained.items()):
            if matches(pattern, topic):
                callback(message)
        return lambda: self._subscribers.remove(entry) if entry in self._subscribers else None


def matches(pattern: str, topic: str) -> bool:
    """Return whether a topic matches a pattern of MQTT."""
    wanted, given = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
