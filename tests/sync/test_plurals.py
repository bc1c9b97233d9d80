"""Texts with counts: the noun and the verb fit 0, 1 and 2."""

import pytest

from hassette_sync.answers.asked import MOST_COUNTED, WhatFailed
from hassette_sync.answers.runs import StateRead
from hassette_sync.errors import FollowerTooSlowError
from hassette_sync.formatting import record_noun


def what_failed(failed: int) -> WhatFailed:
    """Return an answer without rows for its failed runs."""
    return WhatFailed(
        subject="",
        registrations=(),
        at_us=None,
        since_us=0,
        until_us=1,
        failed=failed,
        total=failed,
        sentence="",
        runs=(),
        errors=(),
        last_before=None,
        failed_starts=(),
        suggestions=(),
    )


@pytest.mark.parametrize(
    ("failed", "text"),
    [
        (0, ""),
        (1, "1 more run failed."),
        (2, "2 more runs failed."),
        (MOST_COUNTED, f"At least {MOST_COUNTED} more runs failed."),
    ],
)
def test_rest_of_the_failed_runs(failed: int, text: str) -> None:
    assert what_failed(failed).rest == text


@pytest.mark.parametrize(("count", "text"), [("0", "0 entities"), ("1", "1 entity"), ("2", "2 entities")])
def test_entities_of_a_domain(count: str, text: str) -> None:
    assert StateRead(at_us=0, entity_id="light.*", state=count).title() == f"light.* ({text})"


@pytest.mark.parametrize(("count", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_runs_of_a_slow_follower(count: int, text: str) -> None:
    assert str(FollowerTooSlowError(count)) == f"The follower was dropped: it fell {text} behind."


@pytest.mark.parametrize(
    ("what", "one", "several"),
    [
        ("runs", "run", "runs"),
        ("log_lines", "log line", "log lines"),
        ("lifecycle", "event", "events"),
        ("losses", "loss", "losses"),
        ("skipped", "trigger without a run", "triggers without a run"),
        ("home_changes", "home change", "home changes"),
    ],
)
def test_lost_records(what: str, one: str, several: str) -> None:
    assert [record_noun(what, count) for count in (0, 1, 2)] == [several, one, several]
