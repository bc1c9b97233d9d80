"""If an exception cannot be read, its details are lost, but never the record of its run."""

import asyncio
import importlib
import linecache
import os
import sys
from contextlib import suppress
from functools import partial
from itertools import count

import pytest

from hassette_executor import CommandExecutor, Failure, Frame, MemorySink, Record
from hassette_executor.records.failures import take_failure
from support.records import invoke, raising


class NoCauseYetError(Exception):
    @property
    def __cause__(self):
        raise AttributeError("no upstream yet")


class NoContextError(Exception):
    @property
    def __context__(self):
        raise SystemExit("no")


class NoTracebackError(Exception):
    @property
    def __traceback__(self):
        raise KeyboardInterrupt


class OddCauseError(Exception):
    __cause__ = "not even an exception"


class ClosedGroupError(ExceptionGroup):
    @property
    def exceptions(self):
        raise RuntimeError("closed")


class Nameless(type):
    def __getattribute__(cls, name):
        if name in ("__qualname__", "__name__", "__module__"):
            raise ValueError("no name")
        return super().__getattribute__(name)


class NamelessError(Exception, metaclass=Nameless):
    pass


class NamelessCauseError(Exception):
    @property
    def __cause__(self):
        raise NamelessError


class LastWordsError(Exception):
    def __str__(self):
        raise SystemExit("no")


class NamelessWordsError(Exception):
    def __str__(self):
        raise NamelessError


class GuardedError(Exception):
    def __getattribute__(self, name):
        raise SystemExit(name)


async def recorded(error: BaseException) -> Record:
    """Return the record of a run that raises this error. The error never reaches pytest, which could not read it."""
    record = None
    async with CommandExecutor(sink := MemorySink()) as executor:
        with suppress(BaseException):
            record = await executor.execute(invoke(raising(error)))
    assert record is not None, "execute raised"
    assert list(sink.records) == [record]
    return record


UNREADABLE = {
    "NoCauseYetError": (NoCauseYetError, f"{__name__}.NoCauseYetError", "AttributeError"),
    "NoContextError": (NoContextError, f"{__name__}.NoContextError", "SystemExit"),
    "NoTracebackError": (NoTracebackError, f"{__name__}.NoTracebackError", "KeyboardInterrupt"),
    "OddCauseError": (OddCauseError, f"{__name__}.OddCauseError", "TypeError"),
    "ClosedGroupError": (
        partial(ClosedGroupError, "g", [ValueError()]),
        f"{__name__}.ClosedGroupError",
        "RuntimeError",
    ),
    "GuardedError": (GuardedError, f"{__name__}.GuardedError", "SystemExit"),
    "NamelessError": (NamelessError, "NamelessError", "ValueError"),
    "NamelessCauseError": (NamelessCauseError, f"{__name__}.NamelessCauseError", "NamelessError"),
}


@pytest.mark.parametrize("which", UNREADABLE)
async def test_failure_with_an_unreadable_exception_is_recorded_with_the_type_of_the_reading_error(which):
    make, name, why = UNREADABLE[which]
    failure = (await recorded(make())).failure
    assert failure == Failure("exception", name, f"<the exception could not be read: {why}>", (failure.frames[0],))
    assert failure.frames[0].function == "raising.<locals>.handler"
    assert f"{name}: {failure.message}" in failure.traceback


async def test_exception_with_unreadable_context_ends_a_cancelled_task():
    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise NoContextError

    sink = MemorySink()
    async with CommandExecutor(sink) as executor:
        task = asyncio.create_task(executor.execute(invoke(handler)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (record,) = sink.records
    assert record.failure is not None
    assert record.failure.type == f"{__name__}.NoContextError"


def test_unreadable_expected_error_has_no_traceback():
    failure = take_failure("hassette", NoCauseYetError(), with_frames=False)
    name = f"{__name__}.NoCauseYetError"
    assert failure == Failure("hassette", name, "<the exception could not be read: AttributeError>")


@pytest.mark.parametrize(("kind", "why"), [(LastWordsError, "SystemExit"), (NamelessWordsError, "NamelessError")])
async def test_failure_whose_message_raises_system_exit_is_recorded_without_it(kind, why):
    error = kind()
    error.__cause__ = ValueError("the bulb is broken")
    failure = (await recorded(error)).failure
    assert failure.message == f"<the message could not be read: {why}>"
    assert failure.cause is not None
    assert failure.cause.message == "the bulb is broken"


def test_note_that_cannot_be_read_leaves_the_message_and_the_other_notes_readable():
    class OddNote:
        def __str__(self):
            raise SystemExit("no")

    error = ValueError("no lamp")
    error.__notes__ = ["in the hall", OddNote(), 5]  # type: ignore[list-item]
    assert take_failure("exception", error).message == "no lamp\nin the hall\n<the note could not be read>\n5"


def test_exception_that_is_its_own_cause_is_shown_once():
    error = ValueError("no lamp")
    error.__cause__ = error
    assert take_failure("exception", error).cause is None


def test_unreadable_cause_or_group_member_leaves_the_rest_readable():
    outer = ExceptionGroup("tasks", [ClosedGroupError("g", [ValueError()]), ValueError("fine")])
    outer.__cause__ = NoCauseYetError()
    failure = take_failure("exception", outer)
    assert failure.message == "tasks (2 sub-exceptions)"
    assert failure.cause is not None
    assert failure.cause.message == "<the exception could not be read: AttributeError>"
    unreadable, fine = failure.group
    assert unreadable.message == "<the exception could not be read: RuntimeError>"
    assert fine.message == "fine"


def test_edited_and_reloaded_app_is_shown_with_its_new_lines(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "an_app_that_is_edited.py"
    seconds = count(1_000_000_000)

    def edit(text: str) -> None:
        file.write_text(text)
        now = next(seconds)
        os.utime(file, (now, now))
        importlib.invalidate_caches()

    def failure() -> Failure:
        try:
            app.run()
        except ValueError as error:
            return take_failure("exception", error)
        raise AssertionError("nothing was raised")

    edit("def run():\n    raise ValueError('first')\n")
    app = importlib.import_module(file.stem)
    try:
        assert "raise ValueError('first')\n" in failure().traceback
        edit("# edited while the app runs\ndef run():\n    raise ValueError('other')\n")
        importlib.reload(app)
        assert "raise ValueError('other')\n" in failure().traceback
    finally:
        del sys.modules[file.stem]


def test_each_file_is_checked_once_per_traceback(monkeypatch):
    looked_at: list[str] = []
    monkeypatch.setattr(linecache, "checkcache", looked_at.append)
    frames = (Frame("a.py", 1, "f"), Frame("b.py", 2, "g"), Frame("a.py", 3, "f"))
    inner = Failure("exception", "KeyError", "", frames)
    outer = Failure("exception", "ValueError", "", frames, inner, group=(inner, inner))
    for _ in range(2):
        assert outer.traceback.count("in f\n") == 8
    assert looked_at == ["a.py", "b.py"] * 2


def test_traceback_is_complete_except_for_lines_that_linecache_dropped(monkeypatch):
    getline = linecache.getline

    def forgetting(file: str, line: int) -> str:
        if file == "hall.py":
            raise KeyError(file)
        return getline(file, line)

    monkeypatch.setattr(linecache, "getline", forgetting)
    failure = Failure("exception", "ValueError", "no", (Frame("hall.py", 1, "f"),))
    assert failure.traceback == 'Traceback (most recent call last):\n  File "hall.py", line 1, in f\nValueError: no\n'


def test_message_is_read_although_the_class_attribute_raises():
    class NoClassError(Exception):
        @property
        def __class__(self):
            raise SystemExit

    failure = take_failure("exception", NoClassError("the sensor did not respond"))
    assert failure.type.endswith("NoClassError")
    assert failure.message == "the sensor did not respond"
