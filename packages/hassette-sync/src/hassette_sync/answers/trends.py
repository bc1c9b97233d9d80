"""Answers about the course of errors over time."""

from hassette_sync.answers.values import Answer, Id


class ErrorTrend(Answer):
    """Course of one error group in a time range.

    Attributes:
        id: Id of the error group.
        points: Numbers of failures in equal parts of the time range, oldest first.
        apps: Apps of the newest failures, in alphabetical order.
        is_new: Whether the first failure is in the time range.
        is_back: Whether the error has come back: it has failures before the time range, but none in the period of the
            same length before it.
        is_over: Whether the second half of the time range has no failure.
    """

    id: Id
    points: tuple[int, ...]
    apps: tuple[str, ...]
    is_new: bool
    is_back: bool
    is_over: bool
