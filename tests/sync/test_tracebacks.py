"""Frames of tracebacks, split into frames of the app and of libraries."""

import asyncio
import json
import traceback

import pytest

from hassette_sync.web.tracebacks import frames_of


def fail() -> None:
    raise ValueError("boom")


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_frames_have_file_line_function_and_code() -> None:
    with pytest.raises(ValueError) as caught:
        fail()
    frames = frames_of(printed(caught.value))
    assert [(frame.function, frame.code) for frame in frames][-1] == ("fail", 'raise ValueError("boom")')
    assert frames[-1].file == __file__
    assert frames[-1].line == fail.__code__.co_firstlineno + 1


def test_frames_of_python_and_of_installed_packages_are_library_frames() -> None:
    with pytest.raises(ValueError) as caught:
        json.loads("{")
    libraries = [frame.is_library for frame in frames_of(printed(caught.value))]
    assert not libraries[0]
    assert libraries[1:]
    assert all(libraries[1:])
    text = '  File "/venv/lib/python3.12/site-packages/aiohttp/client.py", line 1, in get\n    x\n'
    assert frames_of(text)[0].is_library
    assert frames_of('  File "<frozen importlib._bootstrap>", line 1, in f\n')[0].is_library
    assert not frames_of('  File "/config/apps/lib.py", line 1, in f\n')[0].is_library


def test_frames_of_causes_and_of_groups_are_found() -> None:
    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(fail))

    def outer() -> None:
        try:
            asyncio.run(both())
        except ExceptionGroup as error:
            raise RuntimeError("outer") from error

    with pytest.raises(RuntimeError) as caught:
        outer()
    found = [(frame.function, frame.code) for frame in frames_of(printed(caught.value))]
    assert ("fail", 'raise ValueError("boom")') in found
    assert any(function == "both" for function, _ in found)


def test_text_without_frames_has_no_frames() -> None:
    assert frames_of("") == ()
    assert frames_of("ValueError: File unreadable\n  File that is not a frame, line x") == ()


def test_frame_without_code_has_none() -> None:
    text = '  File "/a.py", line 1, in f\n  File "/b.py", line 2, in <module>\n    go()\nValueError: boom\n'
    assert [(frame.function, frame.code) for frame in frames_of(text)] == [("f", ""), ("<module>", "go()")]
