"""`kept_signal_handlers`: keep an app from replacing the signal handlers that stop the process."""

import logging
import signal
from collections.abc import Collection, Generator
from contextlib import contextmanager
from typing import Any

from hassette_core.containment.actor import current_app, subject_of

logger = logging.getLogger(__name__)


@contextmanager
def kept_signal_handlers(numbers: Collection[int]) -> Generator[None]:
    """Keep the current handlers of some signals during the ``with`` block.

    An app, or a library of an app such as a web server, may set a handler for SIGTERM. Then the signal would no longer
    stop the framework. Each such call is logged and has no other effect. The method ``add_signal_handler`` of the
    event loop calls `signal.signal` too. Its callback is called in addition to the kept handler.

    Args:
        numbers: The signals.
    """
    set_handler = signal.signal

    def keep(number: Any, handler: Any, /) -> Any:
        if number not in numbers:
            return set_handler(number, handler)
        actor = current_app()
        facts = {} if actor is None else {"app": subject_of(actor), "registration": actor}
        logger.warning(
            "App tried to replace the handler of a signal; the signal still stops Hassette",
            extra={**facts, "signal": signal.Signals(number).name},
        )
        return signal.getsignal(number)

    signal.signal = keep
    try:
        yield
    finally:
        signal.signal = set_handler
