"""Similar names, for error messages about misspelt ones."""

import difflib
import re
from collections.abc import Collection, Iterable
from typing import NoReturn

from hassette_core.simulation.home.core import ENTITY_ID
from hassette_core.testing.errors import HomeTestError

SERVICE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")


def unknown(what: str, name: str, known: Iterable[str], instead: str = "") -> HomeTestError:
    """Return the error about an unknown name, with the most similar known names, or those of its domain.

    Args:
        what: The kind of the name, such as ``entity_id``.
        name: The unknown name.
        known: All known names.
        instead: A hint at the end of the message.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    domain = name.partition(".")[0]
    similar = [each for each in known if each.startswith(f"{domain}.")] or known
    listed = "" if close or not known else f"; known: {', '.join(similar[:10])}{', …' if len(similar) > 10 else ''}"
    problem = f"{what} must be known, got {name!r}{hint}{listed}"
    return HomeTestError(f"{problem}{' ' if close else '. '}{instead}" if instead else problem)


def checked_entity_id(value: object, known: Iterable[str]) -> str:
    """Return an entity id.

    Args:
        value: The value.
        known: All known entity ids, for the error message.

    Raises:
        HomeTestError: The value has another form.
    """
    if isinstance(value, str) and ENTITY_ID.fullmatch(value):
        return value
    return _refuse("entity_id must be an entity id such as 'light.hall'", value, known)


def checked_service(value: object, known: Iterable[str]) -> str:
    """Return the name of a service. All else is as in `checked_entity_id`."""
    if isinstance(value, str) and SERVICE.fullmatch(value):
        return value
    return _refuse("service must be of the form domain.service, such as 'light.turn_on'", value, known)


def _refuse(expected: str, value: object, known: Iterable[str]) -> NoReturn:
    name = str(value).strip().lower().replace(" ", "_")
    found = [each for each in sorted(known) if each == name or each.endswith(f".{name}") or name.startswith(f"{each}.")]
    hint = f"; did you mean {found[0]!r}?" if found and name else ""
    raise HomeTestError(f"{expected}, got {value!r}{hint}")


def misspelt(name: str, known: Collection[str]) -> str | None:
    """Return the known name that differs only by a missing, an additional or two exchanged letters. None if none does.

    Another letter or digit in place of one does not count: ``light.bed_a`` and ``light.bed_b`` are two entities.
    """
    return next((each for each in known if _is_slip(name, each)), None)


def _is_slip(name: str, other: str) -> bool:
    if len(name) == len(other):
        differing = [index for index, (one, two) in enumerate(zip(name, other, strict=True)) if one != two]
        if len(differing) != 2 or differing[1] != differing[0] + 1:
            return False
        first, second = differing
        exchanged = (name[first], name[second]) == (other[second], other[first])
        return exchanged and name[first].isalpha() and name[second].isalpha()
    longer, shorter = (name, other) if len(name) > len(other) else (other, name)
    if len(longer) != len(shorter) + 1:
        return False
    return shorter in [longer[:index] + longer[index + 1 :] for index, letter in enumerate(longer) if letter.isalpha()]
