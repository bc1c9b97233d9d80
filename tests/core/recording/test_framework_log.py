"""Warnings and errors that no run has logged are recorded, bounded and masked."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hassette_core.clock import ManualClock
from hassette_core.recording.framework_log import FrameworkLog
from hassette_core.redaction import Redaction
from hassette_executor import Circumstance, FrameworkLogLine
from support.waiting import eventually
from support.whole_home import whole_home

QUICK = {"flush_interval_s": 0.01}
APPS = """
class App1(App[AppConfig]):
    async def on_initialize(self):
        self.logger.warning("app begins", extra={"lamp": "light.hall"})
        self.bus.on_state_change(self.on_door, "binary_sensor.door")

    async def on_door(self):
        self.logger.warning("line of a run")
        raise ValueError("fails")
"""


class Receiver:
    """Receives lines and losses."""

    def __init__(self) -> None:
        self.lines: list[FrameworkLogLine] = []
        self.lost = 0

    def note(self, circumstance: Circumstance) -> None:
        assert isinstance(circumstance, FrameworkLogLine)
        self.lines.append(circumstance)

    def count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        assert (reason, what) == ("too_many", "framework_log")
        self.lost += count


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def logger(receiver: Receiver, clock: ManualClock) -> Iterator[logging.Logger]:
    with FrameworkLog(receiver, Redaction(["hunter2hunter2"]), clock).installed():
        yield logging.getLogger("some.part")


async def test_lines_outside_runs_are_recorded_with_their_app_and_lines_of_runs_are_not(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APPS, executor=QUICK) as whole:
        whole.home.core.set("binary_sensor.door", "on")
        await whole.records(1)
        logging.getLogger("hassette_core.link").error("framework fails", extra={"url": "http://home"})

        def lines() -> list[FrameworkLogLine]:
            return [line for batch in whole.sink.batches for line in batch.framework_log]

        await eventually(lambda: any("framework fails" in line.message for line in lines()))
        app, *_, framework = lines()
        assert (app.level, app.app) == (logging.WARNING, "app1")
        assert app.message == "app begins  lamp=light.hall"
        assert (framework.logger, framework.level, framework.app) == ("hassette_core.link", logging.ERROR, None)
        assert not any("line of a run" in line.message or "ValueError" in line.message for line in lines())


async def test_setting_switches_the_log_off(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APPS, executor=QUICK, recording={"log": False}) as whole:
        assert await whole.hassette.executor.force_flush()
        assert [line for batch in whole.sink.batches for line in batch.framework_log] == []


def test_information_is_not_recorded_and_an_error_has_its_exception(receiver: Receiver, logger: logging.Logger) -> None:
    logger.info("fine")
    logger.error("Update failed", exc_info=KeyError("light.hall"))
    assert [line.message for line in receiver.lines] == ["Update failed [KeyError: 'light.hall']"]


def test_secrets_are_masked_and_long_lines_are_cut(receiver: Receiver, logger: logging.Logger) -> None:
    logger.warning("token %s", "hunter2hunter2", extra={"url": "http://hunter2hunter2@home", "long": "x" * 100_000})
    logger.warning("y" * 100_000)
    assert "hunter2" not in repr(receiver.lines)
    assert all(len(line.message) <= 2_000 for line in receiver.lines)


def test_repeated_line_is_limited_and_another_one_is_not(
    receiver: Receiver, logger: logging.Logger, clock: ManualClock
) -> None:
    for number in range(1_000):
        logger.warning("again %d", number)
    logger.warning("other")
    assert (len(receiver.lines), receiver.lost) == (21, 980)
    clock.advance(120)
    for number in range(1_000):
        logger.warning("again %d", number)
    assert len(receiver.lines) == 23


def test_many_different_lines_are_limited(receiver: Receiver, logger: logging.Logger) -> None:
    for number in range(3_000):
        logger.warning("%s", number)
        logger.warning(f"different {number}")
    assert len(receiver.lines) == 500
    assert receiver.lost == 5_500


def test_line_about_the_recording_of_a_line_is_not_recorded(clock: ManualClock) -> None:
    class WarningReceiver(Receiver):
        def note(self, circumstance: Circumstance) -> None:
            logging.getLogger("recorder").warning("queue is full")
            super().note(circumstance)

    receiver = WarningReceiver()
    with FrameworkLog(receiver, Redaction([]), clock).installed():
        logging.getLogger("part").warning("first")
        logging.getLogger("part").warning("second")
    assert [line.message for line in receiver.lines] == ["first", "second"]


def test_line_that_cannot_be_formatted_is_reported_as_in_python(
    receiver: Receiver, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = FrameworkLog(receiver, Redaction([]), clock)
    for message in ("%d and %d", "fine %d"):
        handler.handle(logging.LogRecord("part", logging.WARNING, __file__, 1, message, (5,), None))
    assert [line.message for line in receiver.lines] == ["fine 5"]
    assert "not enough arguments" in capsys.readouterr().err


def test_line_after_the_end_of_the_event_loop_is_left_out(clock: ManualClock) -> None:
    class Closed(Receiver):
        def note(self, circumstance: Circumstance) -> None:
            raise RuntimeError("Event loop is closed")

    with FrameworkLog(Closed(), Redaction([]), clock).installed():
        logging.getLogger("part").warning("late")
