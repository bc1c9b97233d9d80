"""Threads can make syntax trees at the same time."""

import ast
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hassette_core.syntax import syntax_tree

SOURCE = Path(__file__).read_text()


@pytest.fixture
def threads_that_change_at_each_collection() -> Iterator[ThreadPoolExecutor]:
    """Return threads that take turns while Python makes a syntax tree, because the garbage collector runs then."""

    def change(_phase: str, _information: object) -> None:
        time.sleep(0)  # another thread continues

    before = gc.get_threshold()
    gc.callbacks.append(change)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(4) as threads:
            yield threads
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(change)


def test_threads_get_whole_syntax_trees_at_the_same_time(
    threads_that_change_at_each_collection: ThreadPoolExecutor,
) -> None:
    made = [threads_that_change_at_each_collection.submit(syntax_tree, SOURCE) for _ in range(20)]
    assert {len(each.result().body) for each in made} == {len(ast.parse(SOURCE).body)}


def test_invalid_code_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        syntax_tree(b"def")
    assert isinstance(syntax_tree("a = 1"), ast.Module)  # the lock is free again
