"""`HomeRegistry`: the areas, floors, devices, labels and users of the home, for apps."""

import difflib
from collections.abc import Iterable

from hassette_core.app_component import AppComponent
from hassette_core.errors import UnknownNameError
from hassette_core.home.data import HomeData, plain_name
from hassette_core.home.entries import Area, Device, EntityEntry, Floor, Label, NamedEntry, User
from hassette_core.home.membership import HomePart
from hassette_core.home.selection import HomeSelection, Scope


class HomeRegistry(AppComponent, attribute="home"):
    """The areas, floors, devices, labels and users of the home. Apps use it as `App.home`.

    The framework reads the registries of Home Assistant after it has connected, and again when they change. The apps
    start without waiting for it. A selection, such as ``self.home.area("kitchen").lights``, can be made at once and
    then finds its entities as soon as the registries are known. All other questions raise a `HomeUnknownError` before
    that. An app can wait: ``await self.home.wait_known()``. While there is no connection, the last known registries
    remain.

    A name may be the name, an alias or the id of an area, floor, label or device. Upper and lower case are the same.

    Example:
        ::

            self.bus.on_state_change(self.on_motion, self.home.area("kitchen").device_class("motion"), changed_to="on")

            async def on_motion(self, event: StateChanged) -> None:
                area = self.home.area_of(event.entity_id)
                await self.api.turn_on(self.home.area("kitchen").lights)
                self.logger.info("Motion", extra={"area": area and area.name})

    Args:
        data: The registries.
    """

    def __init__(self, data: HomeData) -> None:
        self._data = data

    @property
    def known(self) -> bool:
        """Whether the registries have been read."""
        return self._data.known.is_set()

    async def wait_known(self) -> None:
        """Return once the registries have been read, which takes less than a second after the connection."""
        await self._data.known.wait()

    @property
    def areas(self) -> tuple[Area, ...]:
        """All areas, in Home Assistant's order."""
        return tuple(self._data.registries.areas.values())

    @property
    def floors(self) -> tuple[Floor, ...]:
        """All floors, in Home Assistant's order."""
        return tuple(self._data.registries.floors.values())

    @property
    def labels(self) -> tuple[Label, ...]:
        """All labels, in Home Assistant's order."""
        return tuple(self._data.registries.labels.values())

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices."""
        return tuple(self._data.registries.devices.values())

    @property
    def users(self) -> tuple[User, ...]:
        """All users. If the access token does not belong to an administrator, only users who are also persons."""
        return tuple(self._data.registries.users.values())

    def area(self, name: str) -> HomeSelection:
        """Return the entities of an area.

        Raises:
            UnknownNameError: There is no such area. The message contains similar names.
        """
        return self._select("area", name)

    def floor(self, name: str) -> HomeSelection:
        """Return the entities of all areas of a floor. The error is that of `area`."""
        return self._select("floor", name)

    def label(self, name: str) -> HomeSelection:
        """Return the entities with a label. A label on a device or area counts for its entities.

        The error is that of `area`.
        """
        return self._select("label", name)

    def device(self, name: str) -> HomeSelection:
        """Return the entities of a device.

        Raises:
            UnknownNameError: There is no such device, or there are several with this name. Then use the id.
        """
        return self._select("device", name)

    def user(self, user_id: str | None) -> User:
        """Return a user by id, as in ``self.home.user(event.context.user_id).name``.

        Returns:
            The user. If there is no such user, a `User` with an empty name.
        """
        return self._data.registries.users.get(user_id or "") or User(user_id or "", "")

    def entity(self, entity_id: str) -> EntityEntry:
        """Return the registry's entry of an entity. For an entity without an entry, all its fields are empty."""
        return self._data.registries.entities.get(entity_id) or EntityEntry(str(entity_id))

    def area_of(self, entity_id: str) -> Area | None:
        """Return the area of an entity: its own, or that of its device. None if there is none."""
        registries = self._data.registries
        return registries.areas.get(self._data.membership.area_of(self.entity(entity_id)) or "")

    def floor_of(self, entity_id: str) -> Floor | None:
        """Return the floor of an entity's area. None if there is none."""
        area = self.area_of(entity_id)
        return None if area is None else self._data.registries.floors.get(area.floor_id or "")

    def device_of(self, entity_id: str) -> Device | None:
        """Return the device of an entity. None if there is none."""
        return self._data.registries.devices.get(self.entity(entity_id).device_id or "")

    def labels_of(self, entity_id: str) -> tuple[Label, ...]:
        """Return the labels of an entity, of its device and of its area."""
        registries = self._data.registries
        keys = self._data.membership.labels_of(self.entity(entity_id))
        return tuple(label for label in registries.labels.values() if label.id in keys)

    def _select(self, kind: HomePart, name: str) -> HomeSelection:
        if not isinstance(name, str) or not name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            raise UnknownNameError(f"the name of a {kind} must be a text, such as 'kitchen', got {name!r}")
        scope = Scope(kind, str(name))
        if self.known and self._data.key_of(scope) is None:
            raise UnknownNameError(_problem(kind, scope.name, self._data.entries(kind).values()))
        self._data.use(scope)
        return HomeSelection(self._data, scope)


def _problem(kind: HomePart, name: str, entries: Iterable[NamedEntry]) -> str:
    """Return the error message for a name that no entry has, or that several entries have."""
    same = [entry.id for entry in entries if plain_name(entry.name) == plain_name(name)]
    if len(same) > 1:
        return f"the name of a {kind} must be unique, got {name!r}; write one of its ids: {', '.join(same)}"
    names = sorted({entry.name for entry in entries})
    similar = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if similar:
        return f"the home has no {kind} {name!r}; did you mean {' or '.join(map(repr, similar))}?"
    return f"the home has no {kind} {name!r}; it has: {', '.join(names[:20]) or 'none'}"
