"""`did_you_mean`: the end of an error message about a name that may be misspelt."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "", *, form: str = "{}") -> str:
    """Return a text with the most similar known name, to follow the statement that a name is not known.

    Example:
        >>> did_you_mean("turn_onn", ["turn_on", "toggle"])
        "; did you mean 'turn_on'?"

    Args:
        name: The unknown name.
        known: The known names.
        otherwise: Returned if no known name is similar.
        form: The text around the suggested name.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {form.format(close[0])!r}?" if close else otherwise
