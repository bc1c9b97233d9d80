"""The garbage collector is paused only while packages are imported."""

import gc
from importlib import import_module

import pytest

from hassette_core.cli.collection import collection_paused
from hassette_core.cli.main import make_command


def test_collector_works_again_after_a_failed_import() -> None:
    with collection_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ModuleNotFoundError), collection_paused():
        import_module("no_such_module")
    assert gc.isenabled()


def test_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_collector_works_after_a_command_was_found() -> None:
    command = make_command()
    assert command.get_command(command.make_context("hassette", [], resilient_parsing=True), "init")  # type: ignore[attr-defined]
    assert gc.isenabled()
