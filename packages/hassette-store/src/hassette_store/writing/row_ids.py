"""Ids of names and registrations.

The file has one writer. So the writer itself assigns the ids before the transaction that stores them, and needs no
SQL query per row. If a batch is stored, the ids that it adds become permanent. If not, the ids are free again.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import cast

from hassette_store.kinds import kind_of
from hassette_store.rows import RegistrationRow
from hassette_store.writing.texts import cleaned_text

Key = tuple[str, ...]


def key_of(registration: RegistrationRow) -> Key:
    """Return the natural key of a registration as it is in the file, preceded by the name of its kind."""
    kind = kind_of(registration)
    return (kind.name, *(cleaned_text(getattr(registration, field)) for field in kind.key_columns))


class NameIds(dict[str | None, int | None]):
    """Ids by name. A look-up of an unknown name assigns a new id. The id of None is None.

    Args:
        known: Names and ids in the file.

    Attributes:
        new: Ids and names that were assigned since the last `finish`.
        unused: Names in the file that were not looked up since `begin_to_note_use`, with their ids.
    """

    def __init__(self, known: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__(known)
        self[None] = None
        self._next = max((id_ for id_ in self.values() if id_ is not None), default=0) + 1
        self.new: list[tuple[int, str]] = []
        self.unused: dict[str | None, int | None] = {}

    def __missing__(self, name: str | None) -> int:
        assert name is not None
        if (known := self.unused.pop(name, None)) is not None:
            self[name] = known
            return known
        if (clean := cleaned_text(name)) != name:
            # Only the cleaned form of a name gets an entry, so that `finish` has one entry to remove per id. Names with
            # lone surrogates are rare, so the extra look-up does not matter.
            return cast("int", self[clean])
        id_ = self._next
        self._next += 1
        self[name] = id_
        self.new.append((id_, name))
        return id_

    def finish(self, *, stored: bool) -> None:
        """Keep the new ids if the batch was stored; otherwise free them."""
        if not stored:
            for _, name in self.new:
                self.pop(name, None)
                self.unused.pop(name, None)
            self._next -= len(self.new)
        self.new.clear()

    def begin_to_note_use(self) -> None:
        """Note from now on which names are looked up."""
        self.unused.update(self)
        del self.unused[None]
        self.clear()
        self[None] = None


class RegistrationIds(dict[RegistrationRow, int]):
    """Ids by registration. The look-up first uses the registration object and, if that is new, its natural key.

    The mapping contains the current registration object of each key only. An app may make and cancel a listener each
    second, for years, and it registers a new object each time.

    Args:
        known: Natural keys and ids in the file.
        pending: Registrations of this process that may be missing in the file. The next batch writes them.

    Attributes:
        new: Registrations to write with the batch, by id: those that the batch announces, and those that its runs use
            although they were never announced.
    """

    def __init__(self, known: Iterable[tuple[Key, int]] = (), pending: Sequence[RegistrationRow] = ()) -> None:
        super().__init__()
        self._pending = tuple(pending)
        self._by_key = dict(known)
        self._keys = {id_: key for key, id_ in self._by_key.items()}
        self._next = max(self._by_key.values(), default=0) + 1
        # The current registration object for each id. A reloaded app registers a new object, and retires the old object
        # before or after that. Only the retirement of the current object counts.
        self._current: dict[int, RegistrationRow] = {}
        self.new: dict[int, RegistrationRow] = {}
        self._added: list[RegistrationRow] = []
        self._added_keys: list[Key] = []
        self._retired: list[RegistrationRow] = []

    def __missing__(self, registration: RegistrationRow) -> int:
        key = key_of(registration)
        id_ = self._by_key.get(key)
        if id_ is None:
            id_ = self._next
            self._next += 1
            self._by_key[key] = id_
            self._keys[id_] = key
            self._added_keys.append(key)
            self._make_current(registration, id_)
        return id_

    def register(self, registrations: Iterable[RegistrationRow]) -> None:
        """Mark registrations to be written with this batch."""
        for registration in (*self._pending, *registrations):
            self._make_current(registration, self[registration])

    def retire(self, registrations: Iterable[RegistrationRow]) -> list[int]:
        """Return the ids of these registrations, except each id that a newer registration object uses."""
        retired: list[int] = []
        for registration in registrations:
            id_ = self[registration]
            current = self.new.get(id_) or self._current.get(id_)
            if current is None or current is registration:
                retired.append(id_)
            self._retired.append(registration)
        return retired

    def forget(self, ids: Iterable[int]) -> None:
        """Forget registrations that were deleted from the file. If one is registered again, it gets a new id."""
        for id_ in ids:
            if (key := self._keys.pop(id_, None)) is not None:
                del self._by_key[key]
            if (registration := self._current.pop(id_, None)) is not None:
                self.pop(registration, None)

    def current(self) -> list[RegistrationRow]:
        """Return the current registrations, to write them to a file in which they may be missing."""
        return list({id(one): one for one in (*self._pending, *self._current.values())}.values())

    def finish(self, *, stored: bool) -> None:
        """Keep the changes of the batch if it was stored; otherwise undo them."""
        if stored:
            self._pending = ()
            replaced = [self._current[id_] for id_ in self.new if id_ in self._current]
            self._current.update(self.new)
            for registration in self._retired:
                if self._is_current(registration):
                    del self._current[self[registration]]
            for registration in (*replaced, *self._added, *self._retired):
                if registration in self and not self._is_current(registration):
                    del self[registration]
        else:
            for registration in chain(self._added, self._retired):
                self.pop(registration, None)
            for key in self._added_keys:
                del self._keys[self._by_key.pop(key)]
            self._next -= len(self._added_keys)
        for changes in (self.new, self._added, self._added_keys, self._retired):
            changes.clear()

    def _make_current(self, registration: RegistrationRow, id_: int) -> None:
        self.new[id_] = registration
        if registration not in self:
            self[registration] = id_
            self._added.append(registration)

    def _is_current(self, registration: RegistrationRow) -> bool:
        return self._current.get(self.get(registration, 0)) is registration
