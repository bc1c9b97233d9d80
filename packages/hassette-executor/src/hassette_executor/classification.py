"""How a run ended, decided by one pure function: the table of design section 5."""

import asyncio
import logging
from typing import NamedTuple

from hassette_executor.errors import DependencyError, HassetteError
from hassette_executor.records import Status


class Outcome(NamedTuple):
    """What becomes of an exception.

    Attributes:
        status: The record's status.
        kind: The failure's kind; None when nothing is recorded as a failure.
        with_frames: Whether the record keeps the traceback.
        reraise: Whether `execute` lets the exception through.
        log_level: A `logging` level.
    """

    status: Status
    kind: str | None
    with_frames: bool
    reraise: bool
    log_level: int


SUCCEEDED = Outcome(Status.SUCCESS, None, False, False, logging.DEBUG)
CANCELLED = Outcome(Status.CANCELLED, None, False, True, logging.DEBUG)
UNPROVIDED = Outcome(Status.ERROR, "dependency", False, False, logging.ERROR)
FORESEEN = Outcome(Status.ERROR, "hassette", False, False, logging.ERROR)
TIMED_OUT = Outcome(Status.TIMED_OUT, "timeout", True, False, logging.WARNING)
FAILED = Outcome(Status.ERROR, "exception", True, False, logging.ERROR)
EXITING = Outcome(Status.ERROR, "exit", True, True, logging.ERROR)
_LONGEST_CONTEXT = 32
_ORDINARY = (Exception, asyncio.CancelledError)  # written in place as a union, it would be made anew for each run


def replaces_cancellation(raised: BaseException) -> bool:
    """Tell whether an exception came up while the task was being cancelled by somebody, and took the place of that.

    The failure is the callable's to raise; the request to end is not its to lose.
    """
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        return False
    found = raised.__context__
    for _ in range(_LONGEST_CONTEXT):
        if found is None or isinstance(found, asyncio.CancelledError):
            break
        found = found.__context__
    return isinstance(found, asyncio.CancelledError)


def classify(raised: BaseException | None, *, expired: bool, cancelled: bool) -> Outcome:
    """Decide what a run's end means.

    Args:
        raised: What the callable raised; None when it returned.
        expired: Whether our deadline had passed and the run was told to end.
        cancelled: Whether somebody else, too, had asked the task to end.
    """
    if raised is not None and not isinstance(raised, _ORDINARY):
        return EXITING
    if expired and not (cancelled and isinstance(raised, asyncio.CancelledError)):
        # Whatever a run does after its deadline (ends after all, raises in its clean-up), it had exceeded it.
        return TIMED_OUT
    if raised is None:
        return SUCCEEDED
    if isinstance(raised, asyncio.CancelledError):
        return CANCELLED
    # A DependencyError is a HassetteError: it has to be asked for first.
    if isinstance(raised, DependencyError):
        return UNPROVIDED
    if isinstance(raised, HassetteError):
        return FORESEEN
    return FAILED
