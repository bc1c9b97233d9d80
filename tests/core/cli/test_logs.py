"""The log: a constant message, followed by facts, without secrets."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hassette_core.logs import FactsFormatter
from hassette_core.redaction import MASK, Redaction, redacted_logging

TOKEN = "eyJhbGciOi.secret"


class Out:
    """A logger with two handlers: one with a plain formatter, and one with ours."""

    def __init__(self) -> None:
        self.foreign = io.StringIO()
        self.ours = io.StringIO()
        self.logger = logging.getLogger("hassette_core.link.test")
        self.logger.propagate = False
        self.logger.setLevel(logging.DEBUG)
        plain, ours = logging.StreamHandler(self.foreign), logging.StreamHandler(self.ours)
        ours.setFormatter(FactsFormatter(Redaction({TOKEN})))
        self.logger.handlers = [plain, ours]

    @property
    def text(self) -> str:
        return self.foreign.getvalue() + self.ours.getvalue()


@pytest.fixture
def out() -> Iterator[Out]:
    out = Out()
    with redacted_logging(Redaction({TOKEN})):
        yield out
    out.logger.handlers = []


def test_log_line_ends_with_its_facts(out: Out) -> None:
    out.logger.warning("Connection lost", extra={"url": "http://ha:8123", "waited_s": 1.5, "reason": "it hung up"})
    line = out.ours.getvalue()
    assert "warning  link.test  Connection lost  url=http://ha:8123  waited_s=1.5  reason='it hung up'" in line


def test_log_line_shows_a_registration_and_a_list_as_plain_text(out: Out) -> None:
    key = ("hall", "upstairs", "on_motion", "state_changed.light.a")
    out.logger.warning("Skipped", extra={"registration": key, "chain": ["a.b", "c.d"], "names": ("x",)})
    assert out.ours.getvalue().endswith(
        "registration=hall.upstairs.on_motion.state_changed.light.a  chain='a.b, c.d'  names=x\n"
    )


def test_log_line_shows_the_problem_after_a_colon(out: Out) -> None:
    out.logger.warning("Service failed to start", extra={"service": "sync", "problem": "the port is in use"})
    assert "Service failed to start: the port is in use  service=sync" in out.ours.getvalue()


def test_token_in_a_message_its_arguments_or_a_traceback_reaches_no_handler(out: Out) -> None:
    out.logger.error("sent %s to %s", {"token": TOKEN}, "ha")
    out.logger.error(f"Bearer {TOKEN}")
    out.logger.error("it failed", exc_info=ValueError(f"bad header {TOKEN}"))
    assert TOKEN not in out.text
    assert out.foreign.getvalue().count(MASK) == 3
    assert "ValueError: bad header" in out.foreign.getvalue()


def test_token_among_the_facts_is_masked_by_our_formatter(out: Out) -> None:
    out.logger.info("connecting", extra={"header": f"Bearer {TOKEN}"})
    assert TOKEN not in out.text
    assert MASK in out.ours.getvalue()


def test_without_secrets_the_record_factory_is_unchanged() -> None:
    before = logging.getLogRecordFactory()
    with redacted_logging(Redaction(())):
        assert logging.getLogRecordFactory() is before


def test_record_factory_is_restored_after_redaction() -> None:
    before = logging.getLogRecordFactory()
    with redacted_logging(Redaction({TOKEN})):
        assert logging.getLogRecordFactory() is not before
    assert logging.getLogRecordFactory() is before


def test_wrong_format_string_is_left_to_the_handler() -> None:
    with redacted_logging(Redaction({TOKEN})):
        record = logging.getLogRecordFactory()("x", logging.ERROR, "f", 1, "%d", ("no number",), None)
    assert record.args == ("no number",)


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_logger_does_not_raise_the_error_of_an_unreadable_argument() -> None:
    argument = Unreadable()
    with redacted_logging(Redaction({TOKEN})):
        record = logging.getLogRecordFactory()("x", logging.ERROR, "f", 1, "%s", (argument,), None)
    assert record.args == (argument,)


def test_line_with_an_unreadable_fact_keeps_its_message_and_the_other_facts(out: Out) -> None:
    out.logger.info("lamp is off", extra={"lamp": Unreadable(), "room": "hall"})
    assert "lamp is off  lamp=<unreadable: RuntimeError>  room=hall" in out.ours.getvalue()


def test_terminal_gets_colour_and_a_file_does_not() -> None:
    record = logging.makeLogRecord({"levelno": logging.ERROR, "levelname": "ERROR", "name": "x", "msg": "no"})
    assert "\x1b[31m" in FactsFormatter(Redaction(()), colour=True).format(record)
    assert "\x1b" not in FactsFormatter(Redaction(())).format(record)


def test_control_characters_are_written_as_text(out: Out) -> None:
    hostile = "a\x1b[31m\x9b2J\x07\rb\u202ec\u2028d"
    shown = r"a\x1b[31m\x9b2J\x07\rb\u202ec\u2028d"
    facts = {"name_of": hostile, "problem": hostile}
    out.logger.error("Light %s\tis\non", hostile, extra=facts, exc_info=ValueError(hostile))
    text = out.ours.getvalue()
    assert f"Light {shown}\tis\non: {shown}  name_of=" in text
    assert f"ValueError: {shown}\n" in text
    assert not set(text) & set("\x1b\x9b\x07\r\u202e\u2028")


def test_time_of_a_line_has_its_offset_and_is_in_the_time_zone_of_the_home() -> None:
    record = logging.makeLogRecord({"created": 1_782_907_200.5, "name": "x", "msg": "it rains", "levelname": "INFO"})
    formatter = FactsFormatter(Redaction(()))
    of_machine = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="seconds")[11:]
    assert formatter.format(record).startswith(f"{of_machine} info")
    formatter.get_time_zone = lambda: ZoneInfo("Asia/Kolkata")
    assert formatter.format(record).startswith("17:30:00+05:30 info")
    formatter.get_time_zone = lambda: UTC
    assert formatter.format(record).startswith("12:00:00+00:00 info")


def test_traceback_follows_its_line(out: Out) -> None:
    out.logger.warning("odd", exc_info=KeyError("hall"))
    first, *rest = out.ours.getvalue().splitlines()
    assert first.endswith("link.test  odd")
    assert rest[-1] == "KeyError: 'hall'"


def test_traceback_of_a_long_source_line_is_logged_within_bounds(out: Out, tmp_path: Path) -> None:
    file = tmp_path / "one_line.py"
    file.write_text(f"1 / 0; table = '{'x' * 2_700_000}'\n")
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile(file.read_text(), str(file), "exec"), {})
    out.logger.error("it failed", exc_info=caught.value)
    assert "    1 / 0; table = 'xxx" in out.ours.getvalue()
    assert len(out.text) < 10_000
