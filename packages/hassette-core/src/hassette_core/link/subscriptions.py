"""`Subscriptions`: the receivers of the events of one connection, by the number of the subscription."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from hassette_core.errors import describe_error
from hassette_core.events import StateChanged
from hassette_core.link.messages import Message, ReceivedChange, parse_json
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

ENDED = 100
"""Number of ended subscriptions whose late messages are ignored without a warning."""

Receive = Callable[[Any], None]
"""Receives the ``event`` of each message of a subscription."""
ReceiveEvent = Callable[[Message | StateChanged], None]


class Subscriptions:
    """Passes each event to the receiver of its subscription.

    Args:
        repeated: Logs failures of receivers.
    """

    def __init__(self, repeated: RepeatedLog) -> None:
        self._repeated = repeated
        self._all_events: tuple[int, ReceiveEvent] = (0, lambda _: None)
        self._receivers: dict[int, Callable[[Message], None]] = {}
        self._ended: deque[int] = deque(maxlen=ENDED)

    def add_all_events(self, number: int, receive: ReceiveEvent) -> None:
        """Add the subscription to all events. There is one."""
        self._all_events = (number, receive)
        self._receivers[number] = receive

    def add(self, number: int, receive: Receive, command: str) -> None:
        """Add another subscription. ``receive`` gets the ``event`` of each message; an exception of it is logged."""

        def pass_on(message: Message) -> None:
            try:
                receive(message.get("event"))
            except Exception as error:  # noqa: BLE001  a defect in one receiver must not end the connection
                self._repeated.log(
                    f"failed {command}",
                    logging.ERROR,
                    "Message of a subscription could not be passed on",
                    extra={"command": command, "error": describe_error(error)},
                )

        self._receivers[number] = pass_on

    def end(self, number: int) -> bool:
        """Pass on no more events. Return False if there is no such subscription."""
        if self._receivers.pop(number, None) is None:
            return False
        self._ended.append(number)
        return True

    def receive_change(self, change: ReceivedChange) -> bool:
        """Pass on a state change. Return False if its number is not the number of a subscription."""
        number, receive = self._all_events
        if change.number != number:
            return self.receive(change.number, parse_json(change.text))
        receive(change.event)
        return True

    def receive(self, number: object, message: Message) -> bool:
        """Pass on the message of an event. Return False if its number is not the number of a subscription."""
        if type(number) is not int:
            return False
        receive = self._receivers.get(number)
        if receive is None:
            return number in self._ended
        receive(message)
        return True
