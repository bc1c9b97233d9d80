"""The log: facts behind a constant message, and secrets nowhere."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from hassette_core.logs import HIDDEN, FactsFormatter, Redaction
from hassette_executor.failures import MAX_MESSAGE, take_failure

TOKEN = "eyJhbGciOi.secret"
PASSWORD = "Sesame-Open99"


class Out:
    """A logger whose handler is a stranger to us, and one with our formatter."""

    def __init__(self) -> None:
        self.foreign = io.StringIO()
        self.ours = io.StringIO()
        self.logger = logging.getLogger("hassette_core.link.test")
        self.logger.propagate = False
        self.logger.setLevel(logging.DEBUG)
        theirs, own = logging.StreamHandler(self.foreign), logging.StreamHandler(self.ours)
        own.setFormatter(FactsFormatter(Redaction({TOKEN})))
        self.logger.handlers = [theirs, own]

    @property
    def text(self) -> str:
        return self.foreign.getvalue() + self.ours.getvalue()


@pytest.fixture
def out() -> Iterator[Out]:
    out = Out()
    with Redaction({TOKEN}):
        yield out
    out.logger.handlers = []


def test_facts_follow_the_message(out: Out) -> None:
    out.logger.warning("Connection lost", extra={"url": "http://ha:8123", "waited_s": 1.5, "reason": "it hung up"})
    line = out.ours.getvalue()
    assert "warning  link.test  Connection lost  url=http://ha:8123  waited_s=1.5  reason='it hung up'" in line


def test_a_problem_is_told_as_a_sentence(out: Out) -> None:
    out.logger.warning("A part could not start", extra={"part": "sync", "problem": "the port is in use"})
    assert "A part could not start: the port is in use  part=sync" in out.ours.getvalue()


def test_a_token_in_a_message_its_arguments_or_a_traceback_reaches_no_handler(out: Out) -> None:
    out.logger.error("sent %s to %s", {"token": TOKEN}, "ha")
    out.logger.error(f"Bearer {TOKEN}")
    out.logger.error("it failed", exc_info=ValueError(f"bad header {TOKEN}"))
    assert TOKEN not in out.text
    assert out.foreign.getvalue().count(HIDDEN) == 3
    assert "ValueError: bad header" in out.foreign.getvalue()


def test_a_token_among_the_facts_is_not_in_what_we_write(out: Out) -> None:
    out.logger.info("connecting", extra={"header": f"Bearer {TOKEN}"})
    assert TOKEN not in out.text
    assert HIDDEN in out.ours.getvalue()


def test_of_two_secrets_the_longer_one_is_taken_out_whole() -> None:
    assert Redaction({"abc", "abcdef"})("x abcdef y abc") == f"x {HIDDEN} y {HIDDEN}"


@pytest.mark.parametrize("secret", ['hunter"2"', "it's\\so", "größer🔑"])
def test_a_secret_is_found_in_quoted_texts_too(secret: str) -> None:
    redact = Redaction({secret})
    for text in (json.dumps({"a": secret}), json.dumps({"a": secret}, ensure_ascii=False), repr([secret]), secret):
        assert HIDDEN in redact(text)


@pytest.mark.parametrize("kept", range(4, len(PASSWORD)))
@pytest.mark.parametrize("before", ["", "z" * 20, "said Sesame, then ", "SesameSesa"])
def test_what_a_limit_on_length_leaves_of_a_secret_is_hidden_too(before: str, kept: int) -> None:
    redact = Redaction({PASSWORD, "another"})
    assert redact(f"{before}{PASSWORD[:kept]}…") == f"{before}{HIDDEN}…"
    assert redact(f"{PASSWORD} {PASSWORD[:kept]}…\n and anot… on") == f"{HIDDEN} {HIDDEN}…\n and {HIDDEN}… on"


def test_a_secret_in_an_exceptions_message_that_is_cut_is_hidden() -> None:
    error = ValueError("z" * (MAX_MESSAGE - 10) + PASSWORD)
    message = take_failure("exception", error).message
    assert message.endswith("Sesame-Op…")
    assert Redaction({PASSWORD})(message) == "z" * (MAX_MESSAGE - 10) + f"{HIDDEN}…"


def test_of_two_secrets_before_a_cut_as_much_is_hidden_as_may_be_one() -> None:
    redact = Redaction({"abcdefghijk", "efgh", "xxxxabcd", "ab…cd"})
    assert redact("is abcdefgh…") == f"is {HIDDEN}…"
    assert redact("is xxxxabcd…") == f"is {HIDDEN}…"
    assert redact("is ab…cd…") == f"is {HIDDEN}…"


@pytest.mark.parametrize("text", ["…", "Ses…", "Sesame-Open-", "Sesame …", "wait……", f"{PASSWORD[1:9]}…"])
def test_what_is_no_beginning_of_a_secret_before_a_cut_is_left(text: str) -> None:
    assert Redaction({PASSWORD})(text) == text


def test_without_secrets_nothing_is_put_between() -> None:
    before = logging.getLogRecordFactory()
    with Redaction(()):
        assert logging.getLogRecordFactory() is before


def test_after_redaction_records_are_made_as_before() -> None:
    before = logging.getLogRecordFactory()
    with Redaction({TOKEN}):
        assert logging.getLogRecordFactory() is not before
    assert logging.getLogRecordFactory() is before


def test_a_wrong_format_string_is_left_to_whoever_handles_the_record() -> None:
    with Redaction({TOKEN}):
        record = logging.getLogRecordFactory()("x", logging.ERROR, "f", 1, "%d", ("no number",), None)
    assert record.args == ("no number",)


def test_a_terminal_gets_colour_and_a_file_does_not() -> None:
    record = logging.makeLogRecord({"levelno": logging.ERROR, "levelname": "ERROR", "name": "x", "msg": "no"})
    assert "\x1b[31m" in FactsFormatter(Redaction(()), colour=True).format(record)
    assert "\x1b" not in FactsFormatter(Redaction(())).format(record)


def test_a_traceback_stands_below_its_line(out: Out) -> None:
    out.logger.warning("odd", exc_info=KeyError("hall"))
    first, *rest = out.ours.getvalue().splitlines()
    assert first.endswith("link.test  odd")
    assert rest[-1] == "KeyError: 'hall'"
