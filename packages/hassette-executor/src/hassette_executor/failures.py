"""What a run raised: taken cheaply on the event loop, formatted later and elsewhere.

Formatting a traceback costs hundreds of microseconds, because it reads source files; walking the raw frames costs
about one. And a kept exception keeps its frames' local variables alive, which may be anything. So a `Failure` holds
plain facts, and `Failure.traceback` renders them when somebody (the sink's thread, a page) asks.
"""

import linecache
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import NamedTuple, cast

MAX_FRAMES = 32
"""Frames kept per exception: the outermost and innermost halves."""
MAX_CHAIN = 8
"""Exceptions kept of a chain of causes."""
MAX_GROUP = 8
"""Exceptions kept of an exception group."""
MAX_MESSAGE = 2_000
"""Characters kept of an exception's message and its notes."""
_GROUP_DEPTH = MAX_CHAIN // 2
"""What an exception inside of a group takes of `MAX_CHAIN`, so that groups of groups of causes stay few."""


class Frame(NamedTuple):
    """One call on the way to the failure."""

    file: str
    line: int
    function: str


class Failure(NamedTuple):
    """What a run raised.

    Attributes:
        kind: ``exception``, ``hassette``, ``dependency``, ``timeout`` (our deadline) or ``exit``
            (``KeyboardInterrupt``, ``SystemExit``).
        type: The exception's class, with its module unless that is ``builtins``.
        message: Its text and its notes, cut at `MAX_MESSAGE` characters.
        frames: The calls that led to it, outermost first; empty for the kinds that are logged without a traceback.
        cause: What it was raised from or while handling, if anything.
        explicit_cause: True for ``raise … from …``.
        group: What an exception group holds, such as the failures of an ``asyncio.TaskGroup``; the first `MAX_GROUP`.
    """

    kind: str
    type: str
    message: str
    frames: tuple[Frame, ...] = ()
    cause: "Failure | None" = None
    explicit_cause: bool = False
    group: "tuple[Failure, ...]" = ()

    @property
    def traceback(self) -> str:
        """The traceback as Python prints it, without carets; empty when no frames were kept."""
        return "".join(_render(self, set())) if self.frames else ""


# tuple.__new__ skips the named tuple's keyword handling, half a microsecond: this runs on the event loop.
_new_failure = cast("Callable[[type[Failure], tuple[object, ...]], Failure]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]


def take_failure(
    kind: str,
    error: BaseException,
    *,
    with_frames: bool = True,
    depth: int = 0,
    redact: Callable[[str], str] = str,
) -> Failure:
    """Take the facts of an exception, without keeping the exception. Never raises.

    One that resists being looked at is a failure all the same, of which little more than its type is said.

    Args:
        kind: See `Failure`.
        error: What was raised.
        with_frames: False leaves the frames, causes and groups out.
        depth: How many causes have been followed to get here; an exception inside of a group counts as several.
        redact: Masks secrets in the messages, before they are cut.
    """
    try:
        cause, explicit = error.__cause__, True
        if cause is None and not error.__suppress_context__:
            cause, explicit = error.__context__, False
        return _new_failure(
            Failure,
            (
                kind,
                _type_name(type(error)),
                _message(error, redact),
                _frames(error.__traceback__) if with_frames else (),
                take_failure(kind, cause, depth=depth + 1, redact=redact)
                if with_frames and cause is not None and depth < MAX_CHAIN
                else None,
                explicit and cause is not None,
                _group(kind, cast("BaseExceptionGroup[BaseException]", error), depth + _GROUP_DEPTH, redact)
                if with_frames and isinstance(error, BaseExceptionGroup) and depth < MAX_CHAIN
                else (),
            ),
        )
    except BaseException as broken:  # noqa: BLE001  properties, a metaclass: all may be the app's code, and what that
        # raises, SystemExit too, comes from looking and not from the run, whose record must not be lost to it.
        raised = cast("BaseException", error)
        text = f"<the exception could not be read: {_read_qualname(type(broken))}>"
        return Failure(kind, _best_name(raised), text, _frames(_read_traceback(raised)) if with_frames else ())


def _group(
    kind: str, group: "BaseExceptionGroup[BaseException]", depth: int, redact: Callable[[str], str]
) -> tuple[Failure, ...]:
    return tuple([take_failure(kind, error, depth=depth, redact=redact) for error in group.exceptions[:MAX_GROUP]])


def _type_name(cls: type[BaseException]) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


# What Python itself keeps, past attributes of the same name that a class or its metaclass may have: those may raise.
_read_qualname = cast("Callable[[type[BaseException]], str]", type.__dict__["__qualname__"].__get__)
_read_traceback = cast(
    "Callable[[BaseException], TracebackType | None]", BaseException.__dict__["__traceback__"].__get__
)


def _best_name(error: BaseException) -> str:
    try:
        return _type_name(type(error))
    except BaseException:  # noqa: BLE001  it may be the name that cannot be read; this one always can
        return _read_qualname(type(error))


def _message(error: BaseException, redact: Callable[[str], str]) -> str:
    try:
        text = str(error)
        if notes := getattr(error, "__notes__", None):
            text = "\n".join((text, *map(str, notes)))
        text = redact(text)
    except BaseException as broken:  # noqa: BLE001  its own __str__ may be the bug; the record must not be lost to it
        text = f"<the message could not be read: {_read_qualname(type(broken))}>"
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _frames(tb: TracebackType | None) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    while tb is not None:
        code = tb.tb_frame.f_code
        place = (id(code), tb.tb_lasti)
        frame = (_KNOWN_PLACES.get(place) or _get_to_know(place, code, tb.tb_lineno))[1]
        if frame is not None:
            frames.append(frame)
        tb = tb.tb_next
    if len(frames) > MAX_FRAMES:
        # Endless recursion: the way in and the end say more than the middle.
        del frames[MAX_FRAMES // 2 : -(MAX_FRAMES // 2)]
    return tuple(frames)


# What fails, fails at the same places again and again. To look one up takes the loop half the time of making it; a
# place keeps its code, so that no other gets the same id.
_KNOWN_PLACES: dict[tuple[int, int], tuple[CodeType, Frame | None]] = {}
_MAX_PLACES = 1_000
_OWN_FILES: set[str] = set()


def _get_to_know(place: tuple[int, int], code: CodeType, line: int) -> tuple[CodeType, Frame | None]:
    if len(_KNOWN_PLACES) >= _MAX_PLACES:
        _KNOWN_PLACES.clear()  # the few that still fail are soon known again
    frame = None if code.co_filename in _OWN_FILES else Frame(code.co_filename, line, code.co_qualname)
    _KNOWN_PLACES[place] = known = (code, frame)
    return known


def leave_out_frames_of(file: str) -> None:
    """Leave a module's own frames out of every traceback: they are the same in all of them and say nothing."""
    _OWN_FILES.add(file)


def _render(failure: Failure, looked_at: set[str]) -> list[str]:
    lines: list[str] = []
    if failure.cause is not None:
        lines += _render(failure.cause, looked_at)
        lines.append(
            "\nThe above exception was the direct cause of the following exception:\n\n"
            if failure.explicit_cause
            else "\nDuring handling of the above exception, another exception occurred:\n\n"
        )
    if failure.frames:
        lines.append("Traceback (most recent call last):\n")
    for frame in failure.frames:
        lines.append(f'  File "{frame.file}", line {frame.line}, in {frame.function}\n')
        if source := _source_line(frame, looked_at):
            lines.append(f"    {source}\n")
    lines.append(f"{failure.type}: {failure.message}\n" if failure.message else f"{failure.type}\n")
    for number, inner in enumerate(failure.group, 1):
        lines.append(f"  +---------------- {number} ----------------\n")
        lines += [f"  | {line}\n" for line in "".join(_render(inner, looked_at)).splitlines()]
    return lines


def _source_line(frame: Frame, looked_at: set[str]) -> str:
    try:
        if frame.file not in looked_at:
            looked_at.add(frame.file)
            linecache.checkcache(frame.file)  # an app that was edited and reloaded has other lines now
        return linecache.getline(frame.file, frame.line).strip()
    except KeyError:
        return ""  # linecache knows no threads: another one has forgotten the file in this very moment
