"""`Attachment`: a trigger's access to the simulated home, and the checks of its configuration."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.services.fields import DURATION
from hassette_core.simulation.home.services.refusals import NEW_WORDS, missing_key, unknown_key

Detach = Callable[[], None]
Emit = Callable[[Json, HomeContext | None], None]
"""Receives the variables of a trigger that has fired, and the context of the cause."""
_COMMON = {"platform", "trigger", "id", "alias", "enabled", "variables"}


class Attachment(NamedTuple):
    """A trigger that is attached now.

    Attributes:
        model: The parts of the home.
        config: The configuration of the trigger.
        emit: Receives the variables of each firing, without those that all triggers have.
    """

    model: HomeModel
    config: Json
    emit: Emit

    @property
    def core(self) -> HomeCore:
        """The states and events of the home."""
        return self.model.core

    def check(self, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> None:
        """Refuse a configuration without a required key, or with an unknown one."""
        for key in required:
            if key not in self.config:
                raise self._completed(missing_key(self.core, key))
        for key in self.config:
            if key not in _COMMON and key not in required and key not in optional:
                raise self._completed(unknown_key(self.core, key))

    def _completed(self, error: RefusedError) -> RefusedError:
        ending = "" if self.core.since(NEW_WORDS) else ". Got None"
        return RefusedError(error.code, error.message + ending)

    def texts(self, key: str) -> list[str]:
        """Return a value of the configuration as a list of texts."""
        value = self.config.get(key, [])
        return [str(each) for each in cast("list[Any]", value)] if isinstance(value, list) else [str(value)]

    def entity_ids(self, key: str = "entity_id") -> list[str]:
        """Return the entity ids of the configuration.

        Raises:
            RefusedError: A value is not an entity id.
        """
        found = [part.strip().lower() for each in self.texts(key) for part in each.split(",")]
        for each in found:
            if each.count(".") != 1:
                raise self.invalid(key, f"Entity {each} is neither a valid entity ID nor a valid UUID")
        return found

    def invalid(self, key: str, problem: str) -> RefusedError:
        """Return the error for a wrong value of the configuration."""
        where = f" at '{key}'" if self.core.since(NEW_WORDS) else f" for dictionary value @ data['{key}']. Got None"
        return RefusedError("invalid_format", problem + where)

    def seconds(self, key: str) -> float:
        """Return a duration of the configuration in seconds; 0 if it is missing.

        Raises:
            RefusedError: The value is not a duration.
        """
        value = self.config.get(key)
        if value is None:
            return 0.0
        try:
            return DURATION.parse(value).total_seconds()
        except (TypeError, ValueError):
            raise RefusedError("invalid_format", f"{key} must be a duration such as 00:05:00, got {value!r}") from None

    def hold(self, seconds: float, holds: Callable[[], bool], fire: Callable[[], None]) -> Detach:
        """Call ``fire`` after some seconds, if ``holds`` is still true. Return a function that cancels this."""
        if seconds <= 0:
            fire()
            return lambda: None
        return self.core.clock.call_later(seconds, lambda: fire() if holds() else None).cancel


def nothing() -> None:
    """Detach a trigger that has attached to nothing."""
