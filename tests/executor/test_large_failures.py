"""Failures of any size are recorded and rendered within bounds."""

import itertools
import linecache
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hassette_executor import CommandExecutor, ErrorContext, Failure, Frame, MemorySink, format_exception
from hassette_executor.records.failures import MAX_MESSAGE, take_failure
from hassette_executor.records.tracebacks import MAX_SOURCE_FILE, MAX_SOURCE_LINE, MAX_TRACEBACK
from support.records import invoke, listener
from support.waiting import eventually

MEGABYTE = 1_000_000
LINE_BYTES = 2_700_000


def caught(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except Exception as error:  # noqa: BLE001  any exception is returned
        return error
    raise AssertionError("nothing was raised")


def app_with_one_line(folder: Path) -> Callable[[int], object]:
    """Return a recursive function whose source code is one line of 2.7 MB."""
    file = folder / "one_line.py"
    file.write_text(f"def run(n): return run(n - 1) if n else 1 / 0; table = '{'x' * LINE_BYTES}'\n")
    module = ModuleType("one_line")
    exec(compile(file.read_text(), str(file), "exec"), vars(module))
    return module.run


def size(text: str) -> int:
    return len(text.encode())


def test_traceback_of_a_long_source_line_is_small(tmp_path: Path) -> None:
    run = app_with_one_line(tmp_path)
    failure = take_failure("exception", caught(lambda: run(50)))
    text = failure.traceback
    assert size(text) <= MAX_TRACEBACK
    assert max(map(len, text.splitlines())) <= MAX_SOURCE_LINE + 4
    assert "    def run(n): return run(n - 1) if n else 1 / 0; table = 'xxx" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")


def test_indented_source_line_is_shown_from_its_first_word(tmp_path: Path) -> None:
    file = tmp_path / "deep.py"
    file.write_text(f"{' ' * 5_000}raise ValueError('no') # {'y' * MEGABYTE}\n")
    failure = Failure("exception", "ValueError", "no", (Frame(str(file), 1, "f"),))
    assert failure.traceback.splitlines()[2].startswith("    raise ValueError('no') # yyy")


def deep(levels: int) -> object:
    return deep(levels - 1) if levels else 1 / 0


def recursive() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        deep(10_000)
    finally:
        sys.setrecursionlimit(limit)


def group() -> None:
    raise ExceptionGroup("many", [ValueError("é" * MAX_MESSAGE) for _ in range(1_000)])


def nested_groups() -> None:
    error: Exception = ValueError("é" * MAX_MESSAGE)
    for _ in range(20):
        one = ExceptionGroup("g" * MAX_MESSAGE, [error] * 20)
        one.__cause__ = error
        error = one
    raise error


def noted() -> None:
    error = ValueError("no")
    error.__notes__ = ["n" * (80 * MEGABYTE)] * 1_000
    raise error


def noted_without_end() -> None:
    error = ValueError("no")
    error.__notes__ = itertools.count()  # type: ignore[assignment]
    raise error


def syntax_error() -> None:
    compile(f"table = '{'x' * LINE_BYTES}' +\n", "x.py", "exec")


def long_names() -> None:
    name = "f" * MEGABYTE
    space: dict[str, Any] = {}
    exec(compile(f"def {name}(): raise type('E' * {MEGABYTE}, (Exception,), {{}})('no')", name + ".py", "exec"), space)
    space[name]()


def circular() -> None:
    first, second = ValueError("é" * MAX_MESSAGE), ValueError("ü" * MAX_MESSAGE)
    first.__cause__, second.__cause__ = second, first
    raise first


FAILURES = [recursive, group, nested_groups, noted, noted_without_end, syntax_error, long_names, circular]


@pytest.mark.parametrize("function", FAILURES)
def test_failure_of_any_shape_is_bounded(function: Callable[[], None]) -> None:
    failure = take_failure("exception", caught(function))
    assert 0 < size(failure.traceback) <= MAX_TRACEBACK
    assert len(failure.type) <= MAX_SOURCE_LINE
    assert len(failure.message) <= MAX_MESSAGE


def test_traceback_that_is_too_long_keeps_its_start_and_its_end() -> None:
    frames = (Frame("hall.py", 1, "f" * 250),) * 400
    inner = Failure("exception", "KeyError", "first", frames)
    text = Failure("exception", "ValueError", "last", frames, inner).traceback
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: last\n")
    assert "lines are left out)\n" in text
    assert MAX_TRACEBACK * 0.9 < size(text) <= MAX_TRACEBACK


@pytest.mark.parametrize("length", [MEGABYTE, 80 * MEGABYTE])
def test_only_the_beginning_of_a_long_message_is_searched_for_secrets(length: int) -> None:
    searched: list[int] = []

    def redact(text: str) -> str:
        searched.append(len(text))
        return text.replace("hunter22", "•••")

    failure = take_failure("exception", ValueError("the password is hunter22" + "y" * length), redact=redact)
    assert failure.message.startswith("the password is •••yyy")
    assert len(failure.message) == MAX_MESSAGE
    assert max(searched) < 50_000


@pytest.mark.parametrize("start", range(0, 60, 7))
def test_no_part_of_a_secret_remains_at_the_end_of_a_cut_text(start: int) -> None:
    secret = "hunter22-" * 5
    text = "z" * start + secret * 5_000  # masks are shorter than the secrets, so that the cut is far behind the limit
    failure = take_failure("exception", ValueError(text), redact=lambda text: text.replace(secret, "•••"))
    assert not set(failure.message) - set("z•…")


def test_secret_in_a_source_line_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text("login('hunter22')\n")
    failure = Failure("exception", "E", "", (Frame(str(file), 1, "f"),), redact=lambda t: t.replace("hunter22", "•••"))
    assert "    login('•••')\n" in failure.traceback
    assert failure.code_of(failure.frames[0]) == "login('•••')"


def test_source_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    fifo, large = tmp_path / "fifo.py", tmp_path / "large.py"
    os.mkfifo(fifo)
    with large.open("w") as stream:
        stream.write("1 / 0\n")
        stream.truncate(MAX_SOURCE_FILE + 1)
    frames = tuple(Frame(str(file), 1, "f") for file in (fifo, large, "a\0b", tmp_path, "/dev/zero"))
    failure = Failure("exception", "ValueError", "no", frames)
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(failure.traceback), daemon=True)
    thread.start()
    thread.join(60)
    assert texts, "rendering blocks"
    assert all(not line.startswith("    ") for line in texts[0].splitlines())
    assert str(large) not in linecache.cache


async def test_flush_of_failures_in_a_long_line_is_quick(tmp_path: Path) -> None:
    """The store renders one traceback per error group. Without bounds, this traceback had 83 MB and took seconds."""
    run, registration = app_with_one_line(tmp_path), listener()

    async def failing() -> None:
        run(50)

    sink = MemorySink()
    async with CommandExecutor(sink) as executor:
        for _ in range(20):
            await executor.execute(invoke(failing, registration))
        await executor.force_flush()
    texts = [record.failure.traceback for record in sink.records if record.failure is not None]
    assert len(texts) == 20
    assert sum(map(size, texts)) <= 20 * MAX_TRACEBACK


async def test_traceback_of_an_error_hook_is_bounded_and_masked(tmp_path: Path) -> None:
    run, contexts = app_with_one_line(tmp_path), []

    async def failing() -> None:
        try:
            run(50)
        except ZeroDivisionError:
            raise ValueError("the password is hunter22") from None

    async def hook(context: ErrorContext) -> None:
        contexts.append(context.traceback)

    async with CommandExecutor(MemorySink(), redact=lambda text: text.replace("hunter22", "•••")) as executor:
        executor.hooks.set(hook)
        await executor.execute(invoke(failing))
        await eventually(lambda: contexts)
    assert size(contexts[0]) <= MAX_TRACEBACK
    assert contexts[0].endswith("ValueError: the password is •••\n")


def test_formatted_exception_contains_its_cause_within_bounds() -> None:
    text = format_exception(caught(nested_groups))
    assert text.count("ExceptionGroup") > 3
    assert size(text) <= MAX_TRACEBACK
    assert format_exception(ValueError("no")) == "ValueError: no\n"
