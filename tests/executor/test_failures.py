import logging
import traceback
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import Failure, Frame
from hassette_executor.records.failures import MAX_CHAIN, MAX_FRAMES, MAX_GROUP, MAX_MESSAGE, FrameCache, take_failure
from hassette_executor.repeated_log import RepeatedLog


def caught(function) -> BaseException:
    try:
        function()
    except Exception as error:  # noqa: BLE001  any exception is returned
        return error
    raise AssertionError("nothing was raised")


def chained() -> None:
    try:
        {}["lamp"]
    except KeyError as error:
        raise ValueError("no lamp") from error


def in_handling() -> None:
    try:
        {}["lamp"]
    except KeyError:
        raise ValueError("no lamp")  # noqa: B904  the point of it


def hidden() -> None:
    try:
        {}["lamp"]
    except KeyError:
        raise ValueError("no lamp") from None


def plainly(text: str) -> list[str]:
    """Return the lines of a traceback without the carets of newer Python versions."""
    return [line for line in text.splitlines() if line.strip("~^ ") or not line]


def unqualified(line: str) -> str:
    """Return a line with the bare name of the function, as Python prints it; a `Failure` has the qualified name."""
    head, found, function = line.rpartition(", in ")
    return f"{head}{found}{function.rpartition('.')[2]}" if found else line


@pytest.mark.parametrize("function", [chained, in_handling, hidden])
def test_traceback_is_the_same_as_printed_by_python(function):
    error = caught(function)
    rendered = plainly(take_failure("exception", error).traceback)
    printed = plainly("".join(traceback.format_exception(error)))
    assert [unqualified(line) for line in rendered] == printed


def test_explicit_causes_differ_from_contexts():
    assert take_failure("exception", caught(chained)).explicit_cause
    implicit = take_failure("exception", caught(in_handling))
    assert implicit.cause is not None
    assert not implicit.explicit_cause
    assert take_failure("exception", caught(hidden)).cause is None


def test_endless_recursion_keeps_the_first_and_last_frames():
    def deeper() -> None:
        deeper()

    def way_in() -> None:
        deeper()

    failure = take_failure("exception", caught(way_in))
    assert len(failure.frames) == MAX_FRAMES
    assert failure.frames[1].function.endswith("way_in")
    assert failure.frames[-1].function.endswith("deeper")
    assert failure.type == "RecursionError"


def test_frames_are_right_when_more_places_fail_than_the_cache_holds():
    cache = FrameCache(limit=50)
    for number in range(500):
        space: dict[str, Any] = {}
        # The function is dropped after it has raised, so the next function may be at the same address.
        exec(compile("\n" * number + f"def fail_{number}(): raise ValueError", f"app_{number}.py", "exec"), space)
        frames = cache.frames_of(caught(space[f"fail_{number}"]).__traceback__)
        assert frames[-1] == Frame(f"app_{number}.py", number + 1, f"fail_{number}")
        assert len(cache) <= 50


def test_circular_chain_of_causes_is_bounded():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    failure: Failure | None = take_failure("exception", first)
    length = 0
    while failure is not None:
        length, failure = length + 1, failure.cause
    assert length == MAX_CHAIN + 1


def test_falsy_cause_is_recorded():
    class EmptyError(Exception):
        def __len__(self) -> int:
            return 0

    error = ValueError("no")
    error.__cause__ = EmptyError("inside")
    failure = take_failure("exception", error)
    assert failure.cause is not None
    assert failure.cause.message == "inside"


def test_failure_with_an_unreadable_message_is_recorded():
    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    failure = take_failure("exception", UnspeakableError())
    assert failure.message == "<the message could not be read: RuntimeError>"


def test_long_message_is_truncated_and_a_type_has_its_module():
    failure = take_failure("exception", ValueError("x" * 10_000))
    assert (len(failure.message), failure.message[-1], failure.type) == (MAX_MESSAGE, "…", "ValueError")
    assert take_failure("exception", LampLookupError("x")).type == (f"{__name__}.LampLookupError")


class LampLookupError(LookupError):
    pass


def test_failure_taken_without_frames_has_no_traceback_and_no_cause():
    failure = take_failure("hassette", caught(chained), with_frames=False)
    assert (failure.frames, failure.cause, failure.traceback) == ((), None, "")


def test_frame_without_source_and_error_without_message_are_rendered():
    failure = Failure("exception", "KeyError", "", (Frame("<string>", 3, "f"),))
    assert failure.traceback == ('Traceback (most recent call last):\n  File "<string>", line 3, in f\nKeyError\n')


def test_exception_group_is_recorded_with_each_member_and_its_traceback():
    def no_lamp() -> None:
        try:
            {}["lamp"]
        except KeyError as error:
            raise ValueError("no lamp") from error

    def together() -> None:
        raise ExceptionGroup("tasks", [caught(no_lamp), TypeError("never raised")])

    failure = take_failure("exception", caught(together))
    assert failure.message == "tasks (2 sub-exceptions)"
    assert [(inner.type, inner.message) for inner in failure.group] == [
        ("ValueError", "no lamp"),
        ("TypeError", "never raised"),
    ]
    assert failure.group[0].cause is not None
    below = failure.traceback.partition("ExceptionGroup: tasks (2 sub-exceptions)\n")[2].splitlines()
    assert below[0] == "  +---------------- 1 ----------------"
    assert "  | ValueError: no lamp" in below
    assert below[-2:] == ["  +---------------- 2 ----------------", "  | TypeError: never raised"]
    assert take_failure("hassette", caught(together), with_frames=False).group == ()


def test_groups_are_bounded_in_number_and_depth():
    def flat(error: BaseException) -> BaseException:
        return ExceptionGroup("g", [error] * (MAX_GROUP + 3))  # type: ignore[type-var]

    error: BaseException = ValueError("no")
    for _ in range(6):
        error = flat(error)

    def count(failure: Failure) -> int:
        return 1 + sum(map(count, failure.group))

    failure = take_failure("exception", error)
    assert len(failure.group) == MAX_GROUP
    assert count(failure) == 1 + MAX_GROUP + MAX_GROUP**2


def test_message_includes_the_notes_of_the_exception_and_is_truncated():
    error = ValueError("no lamp")
    error.add_note("in the hall")
    error.add_note("since noon")
    assert take_failure("exception", error).message == "no lamp\nin the hall\nsince noon"
    error.add_note("x" * 10_000)
    assert len(take_failure("exception", error).message) == MAX_MESSAGE
    error.__notes__ = 7  # type: ignore[assignment]
    assert take_failure("exception", error).message == "<the message could not be read: TypeError>"


# ---- the rate-limited log


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60))
def test_each_kind_is_logged_once_per_interval_with_the_number_of_omitted_lines(occurrences):
    written: dict[int, list[tuple[int, int]]] = {}
    now = 0

    class Noting(logging.Handler):
        def emit(self, line: logging.LogRecord) -> None:
            written.setdefault(line.kind, []).append((now, line.left_out))

    logger = logging.Logger("test")
    logger.addHandler(Noting())
    log = RepeatedLog(logger, 10, lambda: now * 1_000_000_000)
    happened: dict[int, int] = {}
    for kind, pause in occurrences:
        now += pause
        log.log(kind, logging.WARNING, "again", extra={"kind": kind})
        happened[kind] = happened.get(kind, 0) + 1
    for kind, lines in list(written.items()):
        assert all(later - earlier >= 10 for (earlier, _), (later, _) in pairwise(lines))
        now += 10  # the next line of a kind reports the number of lines left out before
        log.log(kind, logging.WARNING, "again", extra={"kind": kind})
        assert len(lines) + sum(left_out for _, left_out in lines) == happened[kind] + 1


def test_kinds_without_recent_lines_are_forgotten_and_their_left_out_lines_are_reported(caplog):
    now = 0
    log = RepeatedLog(logging.getLogger("test"), 10, lambda: now * 1_000_000_000)
    log.log("burst", logging.WARNING, "again")
    log.log("burst", logging.WARNING, "again")
    for kind in range(1_500):
        log.log(kind, logging.WARNING, "again")
    now = 11
    log.log("one more", logging.WARNING, "again")
    assert log.kinds == 1
    silent, last = caplog.records[-2:]
    assert silent.getMessage() == "Repeated lines of several kinds were left out"
    assert silent.left_out == 1
    assert last.getMessage() == "again"
    for kind in range(1_500):
        log.log(kind, logging.WARNING, "again")
    now = 22
    before = len(caplog.records)
    log.log("one more", logging.WARNING, "again")
    assert len(caplog.records) == before + 1, "only kinds with left-out lines are reported"


def test_secrets_are_masked_in_messages_causes_and_groups_before_truncation() -> None:
    def mask(text: str) -> str:
        return text.replace("hunter22", "•••")

    error = ExceptionGroup("z" * (MAX_MESSAGE - 3) + "hunter22", [ValueError("is hunter22")])
    error.__cause__ = KeyError("hunter22")
    failure = take_failure("exception", error, redact=mask)
    assert failure.message.startswith("z" * (MAX_MESSAGE - 3) + "••")
    assert failure.cause is not None
    assert failure.cause.message == "'•••'"
    assert failure.group[0].message == "is •••"
