"""`Retries`: the pauses between the attempts to start an app, and the causes that have already been reported."""

import asyncio
import re
from collections.abc import Container

from hassette_core.apps.app_calls import AppProblem
from hassette_core.errors import UnknownEntityError

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

_NUMBER = re.compile(r"\d+")


class Retries:
    """The attempts to start one app instance.

    The pauses double, up to `LONGEST_PAUSE_S`. If the app has failed because an entity does not exist, the states are
    looked up more often, and the pause ends as soon as the entity exists.

    Args:
        entities: The ids of the entities that exist now.
        first_pause_s: The first pause, and the interval of the lookups, in seconds.

    Attributes:
        failures: Number of failed attempts.
    """

    def __init__(self, entities: Container[str], first_pause_s: float = FIRST_PAUSE_S) -> None:
        self.failures = 0
        self._entities = entities
        self._reported: set[str] = set()
        self._first_pause_s = first_pause_s
        self._pause_s = first_pause_s

    def is_new(self, problem: AppProblem) -> bool:
        """Count a failed attempt, and return whether its cause has not occurred before.

        Texts that differ only in numbers have the same cause.
        """
        self.failures += 1
        cause = _NUMBER.sub("0", problem.text)
        if cause in self._reported:
            return False
        self._reported.add(cause)
        return True

    async def pause(self, problem: AppProblem) -> None:
        """Wait until the next attempt."""
        left_s = self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if not isinstance(problem.cause, UnknownEntityError):
            await asyncio.sleep(left_s)
            return
        while left_s > 0 and problem.cause.entity_id not in self._entities:
            await asyncio.sleep(min(self._first_pause_s, left_s))
            left_s -= self._first_pause_s
