"""Numbers of names and registrations.

The file has one writer, so the writer assigns the numbers itself, before the transaction that stores them, and needs no
look-up in SQL per row. Numbers that a batch adds become permanent when the batch is stored, and free when it is not.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import cast

from hassette_store.kinds import kind_of
from hassette_store.rows import RegistrationRow
from hassette_store.writing.texts import cleaned_text

Key = tuple[str, ...]


def key_of(registration: RegistrationRow) -> Key:
    """Return the natural key of a registration as the file has it, preceded by the name of its kind."""
    kind = kind_of(registration)
    return (kind.name, *(cleaned_text(getattr(registration, field)) for field in kind.key))


class NameNumbers(dict[str | None, int | None]):
    """Numbers by name. A look-up of an unknown name assigns a new number; None stays None.

    Args:
        known: Names and numbers in the file.

    Attributes:
        fresh: Numbers and names assigned since the last `settle`.
    """

    def __init__(self, known: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__(known)
        self[None] = None
        self._next = max((number for number in self.values() if number is not None), default=0) + 1
        self.fresh: list[tuple[int, str]] = []

    def __missing__(self, name: str | None) -> int:
        assert name is not None
        if (clean := cleaned_text(name)) != name:
            # Rare, so only the clean name has an entry: `settle` then has one entry to remove.
            return cast("int", self[clean])
        number = self._next
        self._next += 1
        self[name] = number
        self.fresh.append((number, name))
        return number

    def settle(self, *, kept: bool) -> None:
        """Keep the fresh numbers if the batch was stored, otherwise free them."""
        if not kept:
            for _, name in self.fresh:
                del self[name]
            self._next -= len(self.fresh)
        self.fresh.clear()


class RegistrationNumbers(dict[RegistrationRow, int]):
    """Numbers by registration: by object first, and by natural key for a new object.

    Args:
        known: Natural keys and numbers in the file.
        owed: Registrations of this process that the file may lack. The next batch writes them.

    Attributes:
        fresh: Registrations that the next batch writes: the batch registers them, or its records refer to them although
            they were never registered.
    """

    def __init__(self, known: Iterable[tuple[Key, int]] = (), owed: Sequence[RegistrationRow] = ()) -> None:
        super().__init__()
        self._owed = tuple(owed)
        self._by_key = dict(known)
        self._next = max(self._by_key.values(), default=0) + 1
        # The object that holds each number now. A reloaded app registers the new object before or after it retires
        # the old one; only the retirement of the holder counts.
        self._holders: dict[int, RegistrationRow] = {}
        self.fresh: dict[int, RegistrationRow] = {}
        self._added: list[RegistrationRow] = []
        self._added_keys: list[Key] = []
        self._retired: list[RegistrationRow] = []

    def __missing__(self, registration: RegistrationRow) -> int:
        key = key_of(registration)
        number = self._by_key.get(key)
        if number is None:
            number = self._next
            self._next += 1
            self._by_key[key] = number
            self._added_keys.append(key)
            self.fresh[number] = registration
        self[registration] = number
        self._added.append(registration)
        return number

    def register(self, registrations: Iterable[RegistrationRow]) -> None:
        """Write these registrations with the batch."""
        for registration in (*self._owed, *registrations):
            self.fresh[self[registration]] = registration

    def retire(self, registrations: Iterable[RegistrationRow]) -> list[int]:
        """Return the numbers of these registrations, without those that another object has registered again."""
        retired: list[int] = []
        for registration in registrations:
            number = self[registration]
            holder = self.fresh.get(number) or self._holders.get(number)
            if holder is None or holder is registration:
                retired.append(number)
            self._retired.append(registration)
        return retired

    def live(self) -> list[RegistrationRow]:
        """Return the current registrations, to be written to a file that may lack them."""
        return list({id(one): one for one in (*self._owed, *self._holders.values())}.values())

    def settle(self, *, kept: bool) -> None:
        """Keep the changes of the batch if it was stored, otherwise undo them."""
        if kept:
            self._owed = ()
            self._holders.update(self.fresh)
            for registration in self._retired:
                number = self.pop(registration, None)
                if number is not None and self._holders.get(number) is registration:
                    del self._holders[number]
        else:
            for registration in chain(self._added, self._retired):
                self.pop(registration, None)
            for key in self._added_keys:
                del self._by_key[key]
            self._next -= len(self._added_keys)
        for pending in (self.fresh, self._added, self._added_keys, self._retired):
            pending.clear()
