"""`HomeSelection`: the entities of a part of the home, such as the lights of an area."""

import re
from typing import NamedTuple, Protocol

from hassette_core.home.membership import HomePart

_NAME = re.compile("[a-z][a-z0-9_]*")


class Scope(NamedTuple):
    """The part of the home from which entities are selected.

    Attributes:
        kind: ``area``, ``floor``, ``label`` or ``device``.
        name: A name, an alias or an id.
    """

    kind: HomePart
    name: str


class HomeView(Protocol):
    """The facts of the home that a selection needs."""

    def members(self, scope: Scope) -> frozenset[str]:
        """Return the entity ids of a part of the home. Empty while the home is not known."""
        ...

    def require_members(self, scope: Scope) -> frozenset[str]:
        """Return the entity ids of a part of the home.

        Raises:
            HomeUnknownError: The registries have not been read yet.
        """
        ...

    def device_class_of(self, entity_id: str) -> str | None:
        """Return the device class of an entity."""
        ...


class HomeSelection:
    """The entities of a part of the home. It is current at every moment, and is an `EntitySelection`.

    Pass it where an entity id is accepted: as the entity of a listener or a condition, or as the target of a call. It
    follows Home Assistant's rules for targets: hidden entities, and entities for configuration and diagnostics, are
    left out.

    Example:
        ::

            kitchen = self.home.area("kitchen")
            self.bus.on_state_change(self.on_motion, kitchen.device_class("motion"), changed_to="on")
            await self.api.turn_off(kitchen.lights)

    Args:
        home: The home.
        scope: The part of the home.
        domains: The wanted domains; empty for all.
        classes: The wanted device classes; empty for all.
    """

    def __init__(
        self, home: HomeView, scope: Scope, domains: tuple[str, ...] = (), classes: tuple[str, ...] = ()
    ) -> None:
        self._home = home
        self._scope = scope
        self._domains = domains
        self._classes = classes

    def __repr__(self) -> str:
        return f"<HomeSelection: {self.describe()}>"

    def matches(self, entity_id: str) -> bool:
        """Return whether the selection contains an entity now. While the home is not known, it contains none."""
        return entity_id in self._home.members(self._scope) and self._passes(entity_id)

    def describe(self) -> str:
        """Return the selection as a short text, such as ``light of the area kitchen``."""
        parts = [*self._domains, *self._classes] or ["entities"]
        return f"{' '.join(parts)} of the {self._scope.kind} {self._scope.name}"

    @property
    def entities(self) -> list[str]:
        """The entity ids now, in alphabetical order.

        Raises:
            HomeUnknownError: The registries have not been read yet. Call ``await self.home.wait_known()`` first.
        """
        return sorted(filter(self._passes, self._home.require_members(self._scope)))

    def check_known(self) -> None:
        """Check that the registries have been read.

        Raises:
            HomeUnknownError: They have not been read yet. Call ``await self.home.wait_known()`` first.
        """
        self._home.require_members(self._scope)

    def domain(self, *names: str) -> "HomeSelection":
        """Return the entities of the selection that have one of these domains, such as ``sensor``.

        Raises:
            ValueError: A name is no domain, or the selection has other domains only.
        """
        return HomeSelection(self._home, self._scope, _narrowed("domain", "light", self._domains, names), self._classes)

    def device_class(self, *names: str) -> "HomeSelection":
        """Return the entities of the selection that have one of these device classes, such as ``motion``.

        Raises:
            ValueError: A name is no device class, or the selection has other device classes only.
        """
        classes = _narrowed("device_class", "motion", self._classes, names)
        return HomeSelection(self._home, self._scope, self._domains, classes)

    @property
    def lights(self) -> "HomeSelection":
        """The lights of the selection."""
        return self.domain("light")

    @property
    def switches(self) -> "HomeSelection":
        """The switches of the selection."""
        return self.domain("switch")

    @property
    def covers(self) -> "HomeSelection":
        """The covers of the selection, such as blinds."""
        return self.domain("cover")

    @property
    def sensors(self) -> "HomeSelection":
        """The sensors of the selection, with a state that is a number or a text."""
        return self.domain("sensor")

    @property
    def binary_sensors(self) -> "HomeSelection":
        """The binary sensors of the selection, with the states ``on`` and ``off``."""
        return self.domain("binary_sensor")

    @property
    def media_players(self) -> "HomeSelection":
        """The media players of the selection."""
        return self.domain("media_player")

    def _passes(self, entity_id: str) -> bool:
        return (not self._domains or entity_id.partition(".")[0] in self._domains) and (
            not self._classes or self._home.device_class_of(entity_id) in self._classes
        )


def _narrowed(method: str, example: str, present: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a selection still has after it is narrowed. Without present names, it has all.

    Raises:
        ValueError: A name is wrong, or the selection would contain no entity for ever.
    """
    if not names:
        raise ValueError(f"{method} must have at least one name, such as {method}({example!r}), got none")
    for name in names:
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            plain = name.strip().lower().partition(".")[0].replace(" ", "_") if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]  as above
            hint = f"; write {plain!r}" if _NAME.fullmatch(plain) else ""
            raise ValueError(f"{method} must be a name in lower case, such as {example!r}, got {name!r}{hint}")
    both = tuple(name for name in dict.fromkeys(names) if not present or name in present)
    if not both:
        every = ", ".join(map(repr, (*present, *names)))
        raise ValueError(
            f"{method} must be one of {', '.join(map(repr, present))}, which the selection has, got"
            f" {', '.join(map(repr, names))}; write {method}({every}) for all of them"
        )
    return both
