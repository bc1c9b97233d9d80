"""`Failures`: failures of entities, services and commands that a test requests."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeCore, HomeEntity


@dataclass(slots=True)
class _ServiceFailure:
    pattern: str
    entity_id: str | None
    delay_s: float = 0.0
    code: str | None = None
    message: str = ""
    left: int | None = None

    def matches(self, service: str, entity_ids: list[str]) -> bool:
        if self.left == 0 or not fnmatchcase(service, self.pattern):
            return False
        return self.entity_id is None or self.entity_id in entity_ids


class Failures:
    """Failures on demand. Each lasts until its number of times is used, or until `clear`.

    A service is named like ``light.turn_on``; ``*`` stands for any text, as in ``light.*`` or ``*.turn_on``.

    Example:
        ::

            home.failures.refuse("lock.lock", code="home_assistant_error", message="The lock is jammed", times=2)
            home.failures.slow("media_player.*", seconds=12)
            home.failures.deaf("light.hall", calls=2)  # the third call changes the light

    Args:
        core: The states and events of the home.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core
        self._services: list[_ServiceFailure] = []
        self._deaf: dict[str, int | None] = {}
        self._unanswered: list[_ServiceFailure] = []
        self._before: dict[str, HomeEntity] = {}

    def slow(self, service: str, seconds: float, *, entity_id: str | None = None, times: int | None = None) -> None:
        """Let a service need some seconds of the home's clock. Its effect and its answer come after this time.

        Args:
            service: The name of the service.
            seconds: The duration of each call.
            entity_id: Only calls with this entity are slow. None means all calls.
            times: The number of slow calls. None means all calls.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, got {seconds!r}")
        self._services.append(_ServiceFailure(service, entity_id, delay_s=seconds, left=times))

    def refuse(
        self,
        service: str,
        *,
        code: str = "home_assistant_error",
        message: str = "The simulated home refuses this call",
        entity_id: str | None = None,
        times: int | None = None,
    ) -> None:
        """Let calls of a service fail with an error of Home Assistant. They change nothing.

        Args:
            service: The name of the service.
            code: For example ``home_assistant_error``, ``service_validation_error``, ``unauthorized``, ``timeout``.
            message: The text of the error.
            entity_id: Only calls with this entity fail. None means all calls.
            times: The number of failures. None means all calls.
        """
        self._services.append(_ServiceFailure(service, entity_id, code=code, message=message, left=times))

    def deaf(self, entity_id: str, *, calls: int | None = None) -> None:
        """Let services have no effect on an entity, although the calls succeed, like a bulb without a connection.

        Args:
            entity_id: The entity.
            calls: The number of calls without effect. None means all calls.
        """
        self._deaf[entity_id] = calls

    def unanswered(self, command: str, *, times: int | None = None) -> None:
        """Never answer a command, such as ``render_template``, or a call of a service, such as ``light.turn_on``.

        An unanswered service call has its effect.
        """
        self._unanswered.append(_ServiceFailure(command, None, left=times))

    def unavailable(self, entity_id: str) -> None:
        """Make an entity unavailable. It keeps its name, but no other attributes, and services ignore it."""
        entity = self._core.entities.get(entity_id)
        if entity is None:
            raise KeyError(f"entity_id must be an entity of the home, got {entity_id!r}")
        if entity.state != "unavailable":
            self._before[entity_id] = entity
        kept = ("friendly_name", "device_class", "supported_features", "icon", "restored")
        self._core.set(
            entity_id, "unavailable", {key: entity.attributes[key] for key in kept if key in entity.attributes}
        )

    def available(self, *entity_ids: str) -> None:
        """Make entities available again, with the states from before `unavailable`."""
        for entity_id in entity_ids:
            if (before := self._before.pop(entity_id, None)) is not None:
                self._core.set(entity_id, before.state, before.attributes)

    def clear(self) -> None:
        """End all failures, and make all entities available."""
        self._services.clear()
        self._unanswered.clear()
        self._deaf.clear()
        self.available(*self._before)

    def take_delay(self, service: str, entity_ids: list[str]) -> float:
        """Return the seconds that this call needs, and count it."""
        return sum(self._take(each) for each in self._services if each.delay_s and each.matches(service, entity_ids))

    def take_refusal(self, service: str, entity_ids: list[str]) -> RefusedError | None:
        """Return the error of this call, and count it. None if the call succeeds."""
        for each in self._services:
            if each.code is not None and each.matches(service, entity_ids):
                self._take(each)
                return RefusedError(each.code, each.message)
        return None

    def take_deaf(self, entity_id: str) -> bool:
        """Return whether an entity ignores this call, and count it."""
        if entity_id not in self._deaf:
            return False
        left = self._deaf[entity_id]
        if left is None:
            return True
        if left <= 1:
            del self._deaf[entity_id]
        else:
            self._deaf[entity_id] = left - 1
        return left > 0

    def take_unanswered(self, command: str) -> bool:
        """Return whether this command gets no answer, and count it."""
        for each in self._unanswered:
            if each.matches(command, []):
                self._take(each)
                return True
        return False

    def _take(self, failure: _ServiceFailure) -> float:
        if failure.left is not None:
            failure.left -= 1
        return failure.delay_s
