"""The search form of a text: without case, in one form of Unicode. A search compares texts in this form."""

import re
import unicodedata
from typing import Final

SQL_FUNCTION: Final = "search_form"
"""Name of `search_form` in statements. `hassette_sync.history_file` adds it to each connection."""

# Characters without a width: soft hyphen, joiners, marks of direction, variants of a symbol. A user cannot see them.
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
# Letters that never combine with the next one: Latin, Greek, Cyrillic, symbols, kana, Chinese. A text of only
# these letters can be converted letter by letter. This takes a fifth of the time, and a search may read a hundred
# thousand messages.
_SEPARATE: Final = re.compile(
    "[\u0000-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2100-\u2bff\u3000-\u3029"
    "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]*"
)
# İ and ı are letters of Turkish and related languages. In these languages, I is the capital of ı, and İ is the
# capital of i. The language of a text is unknown, so a search treats all four as the same letter.
_DOTLESS: Final = str.maketrans({"\u0131": "i"})
_I_WITH_DOT: Final = re.compile("i\u0307+")


def search_form(text: str | bytes | None) -> str | None:
    """Return a text without the differences that a search ignores. None stays None.

    - Case, in any alphabet: ``KÜCHE`` becomes ``küche``, ``ẞ`` and ``ß`` become ``ss``, ``ς`` and ``Σ`` become ``σ``.
    - The form of Unicode: letters with separate or joined accents, full-width letters, ligatures.
    - The dot of Turkish letters: ``İ``, ``I``, ``ı`` and ``i`` are the same.
    - Invisible characters, such as a soft hyphen.

    Accents are not ignored.

    Args:
        text: A text, or its bytes in UTF-8. Invalid bytes become a replacement character.
    """
    if text is None:
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if text.isascii():
        return text.lower()
    return text.translate(_FORMS) if _SEPARATE.fullmatch(text) else _form_of(text)


class _Forms(dict[int, str]):
    """Form of each character, for `str.translate`."""

    def __missing__(self, code: int) -> str:
        form = self[code] = _form_of(chr(code))
        return form


_FORMS: Final = _Forms()


def _form_of(text: str) -> str:
    # A single round is not enough: after the casefold, a normalized text may not be normalized any more. Unicode
    # defines these two rounds for a caseless match (section 3.13, D146).
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold()).casefold()
    text = _I_WITH_DOT.sub("i", _INVISIBLE.sub("", text).translate(_DOTLESS))
    return unicodedata.normalize("NFKC", text)
