"""Where every run went."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Where every run went, at one moment: ``executed == persisted + sum(shed) + waiting``.

    Attributes:
        executed: How many runs have ended since the start.
        persisted: How many the sink has kept.
        shed: How many rows were given up, by reason; their counts are kept unless the reason is ``stop_deadline`` or
            ``after_stop``.
        waiting: How many wait to be written.
    """

    executed: int
    persisted: int
    shed: Mapping[str, int]
    waiting: int
