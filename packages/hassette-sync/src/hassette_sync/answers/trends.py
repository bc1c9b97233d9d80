"""Answers about the course of errors over time."""

from hassette_sync.answers.values import Answer, Id


class AppVersion(Answer):
    """Version of an app.

    Attributes:
        app: Key of the app.
        version: Short hash of its code and settings.
    """

    app: str
    version: str


class ErrorTrend(Answer):
    """Course of one error group in a time range.

    Attributes:
        id: Id of the error group.
        points: Numbers of failures in equal parts of the time range, oldest first.
        apps: Apps of the newest failures, in alphabetical order.
        first_versions: Versions of these apps at the time of the first failure, as far as they are known.
        is_new: Whether the first failure is in the time range.
        is_back: Whether the error has come back: it has failures before the time range, but none in the period of the
            same length before it.
        is_over: Whether the second half of the time range has no failure.
    """

    id: Id
    points: tuple[int, ...]
    apps: tuple[str, ...]
    first_versions: tuple[AppVersion, ...]
    is_new: bool
    is_back: bool
    is_over: bool
