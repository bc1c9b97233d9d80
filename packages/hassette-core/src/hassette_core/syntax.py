"""Parse Python code in one thread at a time.

In Python 3.11 and 3.12, two threads that make syntax trees at the same time disturb each other, and one of them gets a
`SystemError` (https://github.com/python/cpython/issues/106905). Other packages make syntax trees, too, for example
anyio during its import.
"""

import ast
import threading

PARSING = threading.Lock()
"""Held while a syntax tree is made. Hold it also for an import in another thread than that of the event loop."""
ATTEMPTS = 5


def syntax_tree(source: str | bytes) -> ast.Module:
    """Return the syntax tree of a module.

    Args:
        source: The code.

    Raises:
        SyntaxError: The code is not valid.
        ValueError: The code contains a NUL byte.
    """
    with PARSING:
        for _ in range(ATTEMPTS - 1):
            try:
                return ast.parse(source)
            except SystemError:  # another package makes a syntax tree in another thread at this moment
                continue
        return ast.parse(source)
