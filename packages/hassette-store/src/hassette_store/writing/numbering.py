"""Which number stands for which name and registration.

The file has one writer, so it can give the numbers itself, before the transaction that uses them: no look-up in SQL per
row. What is given for a batch becomes known when the batch is kept, and is taken back when it is not.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import cast

from hassette_store.rows import RegistrationRow, is_listener

Key = tuple[str, ...]


def as_kept(text: str) -> str:
    """Return text as the file will have it: lone surrogates have no UTF-8 form, and become question marks."""
    return text.encode("utf-8", "replace").decode()


def key_of(registration: RegistrationRow) -> Key:
    """Return the natural key, as the file has it; it tells a listener (four parts) from a job (three)."""
    key = (registration.app, registration.instance, registration.name)
    return tuple(map(as_kept, (*key, registration.topic) if is_listener(registration) else key))


class NameNumbers(dict[str | None, int | None]):
    """Names to numbers: a plain look-up for a known name, a new number for another; None stays None.

    Attributes:
        fresh: Names that were given a number since the last `settle`.
    """

    def __init__(self, known: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__(known)
        self[None] = None
        self._next = max((number for number in self.values() if number is not None), default=0) + 1
        self.fresh: list[tuple[int, str]] = []

    def __missing__(self, name: str | None) -> int:
        assert name is not None
        if (kept := as_kept(name)) != name:
            # Not noted under its own name: it is rare, and there would be two to be forgotten.
            return cast("int", self[kept])
        number = self._next
        self._next += 1
        self[name] = number
        self.fresh.append((number, name))
        return number

    def settle(self, *, kept: bool) -> None:
        """Remember the fresh names, or forget them."""
        if not kept:
            for _, name in self.fresh:
                del self[name]
            self._next -= len(self.fresh)
        self.fresh.clear()


class RegistrationNumbers(dict[RegistrationRow, int]):
    """Registrations to numbers, by object first and by natural key where the object is new.

    Args:
        known: What is in the file: natural keys and numbers.
        owed: Registrations that are registered in this process and may be missing in the file: they are written with
            the next batch.

    Attributes:
        fresh: Registrations to be written with the next batch: those that it registers, and those of its records that
            nobody registered.
    """

    def __init__(self, known: Iterable[tuple[Key, int]] = (), owed: Sequence[RegistrationRow] = ()) -> None:
        super().__init__()
        self._owed = tuple(owed)
        self._by_key = dict(known)
        self._next = max(self._by_key.values(), default=0) + 1
        # The object that holds a number now. An app that is reloaded registers the new object before or after it
        # retires the old one; only the holder's retirement counts.
        self._holders: dict[int, RegistrationRow] = {}
        self.fresh: dict[int, RegistrationRow] = {}
        self._met: list[RegistrationRow] = []
        self._new_keys: list[Key] = []
        self._gone: list[RegistrationRow] = []

    def __missing__(self, registration: RegistrationRow) -> int:
        key = key_of(registration)
        number = self._by_key.get(key)
        if number is None:
            number = self._next
            self._next += 1
            self._by_key[key] = number
            self._new_keys.append(key)
            self.fresh[number] = registration
        self[registration] = number
        self._met.append(registration)
        return number

    def register(self, registrations: Iterable[RegistrationRow]) -> None:
        """Write these with the batch, as registered now."""
        for registration in (*self._owed, *registrations):
            self.fresh[self[registration]] = registration

    def retire(self, registrations: Iterable[RegistrationRow]) -> list[int]:
        """Return the numbers of those that nobody else has registered anew."""
        retired: list[int] = []
        for registration in registrations:
            number = self[registration]
            holder = self.fresh.get(number) or self._holders.get(number)
            if holder is None or holder is registration:
                retired.append(number)
            self._gone.append(registration)
        return retired

    def live(self) -> list[RegistrationRow]:
        """Return the registrations that are registered now, for a file that may not know them."""
        return list({id(one): one for one in (*self._owed, *self._holders.values())}.values())

    def settle(self, *, kept: bool) -> None:
        """Remember what the batch brought, or forget it."""
        if kept:
            self._owed = ()
            self._holders.update(self.fresh)
            for registration in self._gone:
                number = self.pop(registration, None)
                if number is not None and self._holders.get(number) is registration:
                    del self._holders[number]
        else:
            for registration in chain(self._met, self._gone):
                self.pop(registration, None)
            for key in self._new_keys:
                del self._by_key[key]
            self._next -= len(self._new_keys)
        for pending in (self.fresh, self._met, self._new_keys, self._gone):
            pending.clear()
