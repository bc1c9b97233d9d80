"""Failures: the facts of an exception, read on the event loop and formatted later.

Formatting a traceback reads source files and takes hundreds of microseconds; reading the raw frames takes about one
microsecond. An exception object also keeps the local variables of its frames alive. Therefore a `Failure` contains
plain facts, and its property `traceback` formats them later, for example in the thread of a sink.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import CodeType, TracebackType
from typing import NamedTuple, cast

from hassette_executor.records.texts import LONGEST_SECRET, cut, redact_and_cut
from hassette_executor.records.tracebacks import CodePlace, SourceFiles, render

MAX_FRAMES = 32
"""Maximum number of frames of an exception: half of them from the outer end, half from the inner end."""
MAX_CHAIN = 8
"""Maximum number of causes of a failure."""
MAX_GROUP = 8
"""Maximum number of exceptions of an exception group."""
MAX_MESSAGE = 2_000
"""Maximum number of characters of an exception's message and notes."""
MAX_NOTES = 64
"""Maximum number of notes of an exception."""
MAX_NAME = 300
"""Maximum number of characters of the name of an exception class or a function."""
MAX_PATH = 4_096
"""Maximum number of characters of the name of a file."""
_GROUP_DEPTH = MAX_CHAIN // 2
"""Each level of nested exception groups counts as this many of the `MAX_CHAIN` causes. So `MAX_CHAIN` also limits the
depth of nested groups."""


class Frame(NamedTuple):
    """One call in the traceback."""

    file: str
    line: int
    function: str


class Failure(NamedTuple):
    """The failure of a run as plain facts: its exception, or the deadline that it exceeded.

    Attributes:
        kind: ``exception``, ``hassette``, ``dependency``, ``timeout`` (the run exceeded its deadline) or ``exit`` (the
            exception is not an `Exception`, such as ``KeyboardInterrupt``).
        type: Name of the exception class, with its module unless the module is ``builtins``.
        message: Text and notes of the exception, truncated to `MAX_MESSAGE` characters.
        frames: The calls of the traceback, outermost first; empty for kinds that are recorded without a traceback.
        cause: The cause or context of the exception, if any.
        explicit_cause: Whether `cause` was set by ``raise … from …``.
        group: The first `MAX_GROUP` exceptions of an exception group, such as the failures of an ``asyncio.TaskGroup``.
        redact: Masks secrets in the lines of source code of the traceback.
    """

    kind: str
    type: str
    message: str
    frames: tuple[Frame, ...] = ()
    cause: "Failure | None" = None
    explicit_cause: bool = False
    group: "tuple[Failure, ...]" = ()
    redact: Callable[[str], str] = str

    @property
    def traceback(self) -> str:
        """The traceback as Python prints it, without carets and within bounds; empty if no frames were kept."""
        return render(self) if self.frames else ""

    def code_of(self, frame: CodePlace) -> str:
        """Return the line of source code of a frame, within bounds and without its indentation. Reads the file.

        The text is empty if the line cannot be read. Secrets are masked.
        """
        return SourceFiles(self.redact).line(frame)


def take_failure(
    kind: str,
    error: BaseException,
    *,
    with_frames: bool = True,
    depth: int = 0,
    redact: Callable[[str], str] = str,
) -> Failure:
    """Return the facts of an exception. Never raises, and keeps no reference to the exception.

    If reading the exception raises, the failure contains only its type and its frames.

    Args:
        kind: See `Failure`.
        error: The exception.
        with_frames: False leaves out frames, causes and groups.
        depth: Number of causes followed so far. One level of groups counts as several causes.
        redact: Masks secrets in the messages, before they are truncated.
    """
    try:
        cause, explicit = error.__cause__, True
        if cause is None and not error.__suppress_context__:
            cause, explicit = error.__context__, False
        if cause is error:
            cause = None  # raise error from error
        deeper = with_frames and depth < MAX_CHAIN
        inner = take_failure(kind, cause, depth=depth + 1, redact=redact) if deeper and cause is not None else None
        # `isinstance` may read the attribute `__class__` of the exception, which may be code of an app that raises.
        is_group = deeper and issubclass(type(error), BaseExceptionGroup)
        group = _group(kind, error, depth + _GROUP_DEPTH, redact) if is_group else ()
        frames = _frames(error.__traceback__) if with_frames else ()
        # _make takes half the time of the constructor, and this code runs on the event loop (ADR-0004).
        return Failure._make(
            (
                kind,
                _type_name(type(error)),
                _message(error, redact),
                frames,
                inner,
                explicit and cause is not None,
                group,
                redact,
            )
        )
    except BaseException as broken:  # noqa: BLE001  Properties and metaclasses may be app code, which may raise any
        # exception, even SystemExit. The run has ended, and its record must not be lost.
        text = f"<the exception could not be read: {_read_qualname(type(broken))}>"
        frames = _frames(_read_traceback(error)) if with_frames else ()
        return Failure(kind, _best_name(error), text, frames, redact=redact)


def format_exception(error: BaseException, redact: Callable[[str], str] = str) -> str:
    """Return the traceback of an exception, within the bounds of `Failure.traceback`, for a log. Never raises.

    Args:
        error: The exception.
        redact: Masks secrets.
    """
    return render(take_failure("exception", error, redact=redact))


def _group(kind: str, error: BaseException, depth: int, redact: Callable[[str], str]) -> tuple[Failure, ...]:
    group = cast("BaseExceptionGroup[BaseException]", error)
    return tuple([take_failure(kind, error, depth=depth, redact=redact) for error in group.exceptions[:MAX_GROUP]])


def _type_name(cls: type[BaseException]) -> str:
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return name if len(name) <= MAX_NAME else cut(name, MAX_NAME)


# Read the built-in attributes directly: a class or metaclass may override them with code that raises.
_read_qualname = cast("Callable[[type[BaseException]], str]", type.__dict__["__qualname__"].__get__)
_read_traceback = cast(
    "Callable[[BaseException], TracebackType | None]", BaseException.__dict__["__traceback__"].__get__
)


def _best_name(error: BaseException) -> str:
    try:
        return _type_name(type(error))
    except BaseException:  # noqa: BLE001  The class may override its name with code that raises.
        return cut(_read_qualname(type(error)), MAX_NAME)


def _message(error: BaseException, redact: Callable[[str], str]) -> str:
    try:
        text = str(error)
        if notes := getattr(error, "__notes__", None):
            text = "\n".join(_within(MAX_MESSAGE + 2 * LONGEST_SECRET, text, notes))
        if len(text) <= MAX_MESSAGE and len(clean := redact(text)) <= MAX_MESSAGE:
            return clean  # the usual case, without another call
        return redact_and_cut(text, MAX_MESSAGE, redact)
    except BaseException as broken:  # noqa: BLE001  The run must be recorded even if __str__ fails.
        return f"<the message could not be read: {_read_qualname(type(broken))}>"


def _within(limit: int, text: str, notes: Iterable[object]) -> Iterator[str]:
    """Yield the text and the notes, up to the note that exceeds the limit. Later notes would be cut off anyway."""
    yield text
    length = len(text)
    for note in islice(notes, MAX_NOTES):
        if length > limit:
            return
        yield (line := _text_of_note(note))
        length += len(line)


def _text_of_note(note: object) -> str:
    try:
        return str(note)
    except BaseException:  # noqa: BLE001  The note may be an object of an app, whose __str__ raises.
        return "<the note could not be read>"


class FrameCache:
    """Cache of frames by their place in the code.

    Handlers fail at the same places again and again. Reading a frame from the cache takes about half as long as making
    the frame. This saves 0.5 µs per frame on the event loop.

    Args:
        limit: How many places to cache. At this number the cache is cleared; it fills again soon.
    """

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        # An entry keeps its code object alive, so that no other code object gets the same id.
        self._places: dict[tuple[int, int], tuple[CodeType, Frame | None]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def frames_of(self, tb: TracebackType | None) -> tuple[Frame, ...]:
        """Return the frames of a traceback, outermost first, at most `MAX_FRAMES`."""
        places = self._places
        frames: list[Frame] = []
        while tb is not None:
            code = tb.tb_frame.f_code
            place = (id(code), tb.tb_lasti)
            frame = (places.get(place) or self._add(place, code, tb.tb_lineno))[1]
            if frame is not None:
                frames.append(frame)
            tb = tb.tb_next
        if len(frames) > MAX_FRAMES:
            # In endless recursion, the first and last calls are more useful than the calls in the middle.
            del frames[MAX_FRAMES // 2 : -(MAX_FRAMES // 2)]
        return tuple(frames)

    def _add(self, place: tuple[int, int], code: CodeType, line: int) -> tuple[CodeType, Frame | None]:
        if len(self._places) >= self._limit:
            self._places.clear()
        frame = None
        if code.co_filename not in _OWN_FILES:
            frame = Frame(cut(code.co_filename, MAX_PATH), line, cut(code.co_qualname, MAX_NAME))
        self._places[place] = added = (code, frame)
        return added


_OWN_FILES: set[str] = set()
_frames = FrameCache().frames_of


def leave_out_frames_of(file: str) -> None:
    """Exclude the frames of one of the executor's modules from all tracebacks. Every traceback would contain them."""
    _OWN_FILES.add(file)
