"""`Interruption`: the time between the loss of the connection and its return, and the events that were lost in it."""

from collections.abc import Callable
from typing import NamedTuple

from hassette_core.clock import TimerClock
from hassette_core.link.inbox import Inbox, MissedChanges
from hassette_core.link.transport import ConnectionEnd
from hassette_core.states import Observation

CountLoss = Callable[[str, str, int, int, int], None]
"""Takes the fields of a `hassette_executor.Loss`."""

MIN_DISCARDED = 1_024
"""Home Assistant disconnects a client when 4,096 messages wait for it, or when more than 1,024 have waited for ten
seconds. It discards these messages and does not report their number."""
LATE_S = 1.0
"""The text of the cause contains the delay of the last event if the delay was at least this long. The same applies to
the time for which the event loop was blocked."""
VERY_LATE_S = 5.0
BLOCKED_S = 0.25
"""If the last event was read later than `VERY_LATE_S`, and the event loop was blocked for longer than `BLOCKED_S`, then
this client was too slow, even if the connection broke. A slow network delays events, but does not block the loop."""


class DiscardedEvents(NamedTuple):
    """The events that Home Assistant discarded when it disconnected a slow client.

    Attributes:
        at_least: A lower bound of their number.
        first_us: Wall-clock time of the last event before the interruption.
        last_us: Wall-clock time of the new subscription.
        text: The loss in one sentence.
    """

    at_least: int
    first_us: int
    last_us: int
    text: str

    @property
    def seconds(self) -> float:
        """Length of the time range."""
        return (self.last_us - self.first_us) / 1e6


class Interruption(NamedTuple):
    """A time without a connection.

    Attributes:
        cause: The cause in one sentence.
        may_be_cut: Whether Home Assistant may have disconnected a slow client, and has been reachable since then.
        min_discarded: If Home Assistant disconnected a slow client, it discarded at least this number of messages.
        began_ns: The time at which Home Assistant sent the last received event, in nanoseconds of the monotonic clock.
        rate: Number of events per second that Home Assistant sent before the interruption.
    """

    cause: str
    may_be_cut: bool
    min_discarded: int
    began_ns: int
    rate: float

    @classmethod
    def begin(
        cls, end: ConnectionEnd, inbox: Inbox, observation: Observation, blocked_s: float, clock: TimerClock
    ) -> "Interruption":
        """Return the interruption that begins with the end of a connection.

        Home Assistant closes a connection in an orderly way when it stops, and when too many messages wait for a
        client. If the client then needs more than ten seconds to read the rest, the connection breaks before the
        client reads the closing message. The connection also breaks if a client does not answer a ping for half a
        minute. In that case, it is not known whether any message waited.

        Args:
            end: The end of the connection.
            inbox: Provides the last event and the rate.
            observation: Provides the delay of the last event.
            blocked_s: The longest time for which the event loop was blocked in the last half minute, in seconds.
            clock: The clock by which the events were received.
        """
        last = inbox.last
        late_s = 0.0 if last is None else observation.delay_s(last.time_fired, last.received_ns)
        cause = end.cause
        if end.closed_by_home:
            cause += ", because it stops or because its messages were read too slowly"
        if late_s >= LATE_S:
            cause += f"; the last event was read {late_s:.1f} s after it had been sent"
        if blocked_s >= LATE_S:
            cause += f"; the event loop of Hassette was blocked for {blocked_s:.1f} s"
        received_ns = clock.monotonic_ns() if last is None else last.received_ns
        return cls(
            cause,
            may_be_cut=end.closed_by_home or (late_s >= VERY_LATE_S and blocked_s >= BLOCKED_S),
            min_discarded=MIN_DISCARDED if end.closed_by_home else 0,
            began_ns=received_ns - round(late_s * 1e9),
            rate=inbox.rate,
        )

    def unreachable(self) -> "Interruption":
        """Return the interruption after an attempt that reached no server. In this case, Home Assistant has stopped."""
        return self._replace(may_be_cut=False)

    def describe(self, missed: MissedChanges, clock: TimerClock) -> str:
        """Return the length of the interruption and the number of changed entities, as a text."""
        seconds = (clock.monotonic_ns() - self.began_ns) / 1e9
        return f"{seconds:.1f} s after the last event; {_entities(missed.different)} changed"

    def loss(self, missed: MissedChanges, clock: TimerClock) -> DiscardedEvents | None:
        """Return the events that Home Assistant discarded. None if it discarded none, as far as is known.

        Args:
            missed: The changes between the two connections.
            clock: Wall clock and monotonic clock.
        """
        if not self.may_be_cut or not missed.kept:
            return None  # the connection broke, or Home Assistant has stopped or restarted
        at_least = max(self.min_discarded, missed.touched)
        if not at_least:
            return None
        now_us = clock.wall_ns() // 1000
        seconds = (clock.monotonic_ns() - self.began_ns) / 1e9
        text = (
            f"{self.cause}; Home Assistant kept running and discarded at least {at_least:,} events;"
            f" {_entities(missed.touched)} changed meanwhile, and {missed.different:,} of them differ"
        )
        if (estimate := round(self.rate * seconds)) > at_least:
            text += f"; at the rate before, about {estimate:,} events were lost in {seconds:.1f} s"
        return DiscardedEvents(at_least, now_us - round(seconds * 1e6), now_us, text)


def _entities(count: int) -> str:
    return f"{count:,} {'entity' if count == 1 else 'entities'}"
