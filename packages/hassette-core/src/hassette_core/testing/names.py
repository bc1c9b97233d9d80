"""Similar names, for error messages about misspelt ones."""

import difflib
from collections.abc import Collection, Iterable

from hassette_core.testing.errors import HomeTestError


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
    return HomeTestError(f"{what} must be known, got {name!r}{hint}{listed}{f'. {instead}' if instead else ''}")


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
