"""`HomeData`: the registries as they are now, and the entities of the parts of the home that apps use."""

import asyncio
import logging
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from hassette_core.errors import HomeUnknownError
from hassette_core.events import State
from hassette_core.home.entries import HomeEntries, NamedEntry
from hassette_core.home.membership import HomePart, Membership
from hassette_core.home.selection import Scope

logger = logging.getLogger(__name__)


class HomeData:
    """The registries as they are now. `HomeService` loads them, and `HomeRegistry` reads them.

    Args:
        states: The current states, which have the device classes.

    Attributes:
        known: Set once the registries have been read.
    """

    def __init__(self, states: Mapping[str, State]) -> None:
        self._states = states
        self._registries: HomeEntries | None = None
        self._membership: Membership | None = None
        self._keys: dict[Scope, str] = {}
        self._members: dict[tuple[HomePart, str], frozenset[str]] = {}
        self._on_use: Callable[[], None] = lambda: None
        self.known = asyncio.Event()

    @property
    def registries(self) -> HomeEntries:
        """The registries.

        Raises:
            HomeUnknownError: They have not been read yet.
        """
        if self._registries is None:
            raise HomeUnknownError
        return self._registries

    @property
    def membership(self) -> Membership:
        """The rules, applied to the registries.

        Raises:
            HomeUnknownError: The registries have not been read yet.
        """
        if self._membership is None:
            raise HomeUnknownError
        return self._membership

    def members(self, scope: Scope) -> frozenset[str]:
        """Return the entity ids of a part of the home. Empty while the home is not known, or without such a part."""
        key = self._keys.get(scope)
        found = None if key is None else self._members.get((scope.kind, key))
        return self._find(scope) if found is None else found

    def require_members(self, scope: Scope) -> frozenset[str]:
        """Return the entity ids of a part of the home.

        Raises:
            HomeUnknownError: The registries have not been read yet.
        """
        _ = self.registries
        return self.members(scope)

    def device_class_of(self, entity_id: str) -> str | None:
        """Return the device class of an entity. None if there is none."""
        state = self._states.get(entity_id)
        return None if state is None else state.attributes.get("device_class")

    def load(self, registries: HomeEntries) -> None:
        """Replace all registries. `HomeService` calls this method."""
        self._registries = registries
        self._membership = Membership(registries)
        self._members.clear()
        for scope in self.used:
            if self.key_of(scope) is None:
                logger.warning(
                    "Home Assistant does not have a part of the home that an app uses",
                    extra={"kind": scope.kind, "part": scope.name},
                )
        self.known.set()

    def on_use(self, callback: Callable[[], None]) -> None:
        """Call a function when an app uses a part of the home for the first time."""
        self._on_use = callback

    @property
    def used(self) -> tuple[Scope, ...]:
        """The parts of the home that apps use."""
        return tuple(self._keys)

    def set_members(self, kind: HomePart, key: str, entity_ids: Iterable[str]) -> None:
        """Set the entities of a part of the home, as Home Assistant has found them."""
        self._members[kind, key] = frozenset(entity_ids)

    def use(self, scope: Scope) -> None:
        """Keep the part of the home that an app uses."""
        if scope not in self._keys:
            self._keys[scope] = self.key_of(scope) or ""
            self._on_use()

    def entries(self, kind: HomePart) -> Mapping[str, NamedEntry]:
        """Return the entries of one kind, by id."""
        registries = self.registries
        if kind == "area":
            return registries.areas
        if kind == "floor":
            return registries.floors
        return registries.labels if kind == "label" else registries.devices

    def _find(self, scope: Scope) -> frozenset[str]:
        key = self.key_of(scope)
        if key is None or self._membership is None:
            return frozenset()
        if scope not in self._keys or self._keys[scope] != key:
            self._keys[scope] = key
            self._on_use()
        found = self._members[scope.kind, key] = self._membership.members(scope.kind, key)
        return found

    def key_of(self, scope: Scope) -> str | None:
        """Return the id of a part of the home. A name that once had an id keeps it, also if it is renamed."""
        if self._registries is None:
            return None
        entries = self.entries(scope.kind)
        before = self._keys.get(scope)
        for key in (before, scope.name):
            if key and key in entries:
                return key
        former = {device.former_id for device in self._registries.devices.values()}
        if scope.kind == "device" and scope.name in former:
            return scope.name
        wanted = plain_name(scope.name)
        for texts in (
            {entry.id: (entry.name,) for entry in entries.values()},
            {entry.id: (entry.id, *entry.aliases) for entry in entries.values()},
        ):
            found = [key for key, names in texts.items() if wanted in map(plain_name, names)]
            if found:
                return found[0] if len(found) == 1 else None
        return None


def plain_name(name: str) -> str:
    """Return a name without the differences that a person does not see."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
