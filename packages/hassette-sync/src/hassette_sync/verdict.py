"""Judge the overall health, the gravest finding first: not running, degraded, failing, healthy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hassette_sync.answers.overview import Live, Overview
from hassette_sync.answers.sessions import Session
from hassette_sync.formatting import INCIDENT_LABELS, label, plural

VerdictLevel = Literal["good", "warning", "bad"]

# If more of the runs fail, a failing handler or job is no exception.
_BAD_SHARE = 0.05
_SERVICE_WARNINGS = {"degraded": "is degraded", "restarting": "is restarting"}
_SERVICE_PROBLEMS = {
    "crashed": "has crashed",
    "exhausted": "has crashed too often and is paused",
    "failed": "has failed",
}
_SESSION_PROBLEMS = {
    "silent": "its heartbeat is overdue",
    "crashed": "it has crashed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkState:
    """State of the framework, without its apps.

    Attributes:
        level: ``good``, ``warning`` (not urgent) or ``bad`` (needs attention now).
        label: ``running``, ``degraded``, ``not running`` or ``never ran``.
        problems: Sentences, the gravest first.
    """

    level: VerdictLevel
    label: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The overall health.

    Attributes:
        level: ``good``, ``warning`` (not urgent) or ``bad`` (needs attention now).
        title: Short summary of the gravest finding: ``Hassette is not running``.
        reasons: Findings that the title does not name, the most important first.
    """

    level: VerdictLevel
    title: str
    reasons: tuple[str, ...]


def framework_state(session: Session | None, live: Live | None) -> FrameworkState:
    """Return the state of the framework.

    Args:
        session: Newest session.
        live: Present state; None outside of the framework's process.
    """
    if live is None:
        return _state_in_the_file(session)
    problems = tuple(_problems_of(live))
    if problems:
        return FrameworkState(level="bad", label="degraded", problems=(*problems, *_warnings_of(live)))
    if warnings := tuple(_warnings_of(live)):
        return FrameworkState(level="warning", label="degraded", problems=warnings)
    return FrameworkState(level="good", label="running")


def _state_in_the_file(session: Session | None) -> FrameworkState:
    if session is None:
        return FrameworkState(level="warning", label="never ran", problems=("Hassette has not run yet",))
    if session.state == "running":
        return FrameworkState(level="good", label="running")
    problem = _SESSION_PROBLEMS.get(session.state)
    sentence = f"Hassette is not running: {problem}" if problem else "Hassette is not running"
    return FrameworkState(level="bad", label="not running", problems=(sentence,))


def _problems_of(live: Live) -> Iterator[str]:
    if live.connection and live.connection != "connected":
        yield "Hassette is not connected to Home Assistant"
    yield from _services_with(live, _SERVICE_PROBLEMS)


def _warnings_of(live: Live) -> Iterator[str]:
    yield from _services_with(live, _SERVICE_WARNINGS)


def _services_with(live: Live, sentences: dict[str, str]) -> Iterator[str]:
    for service in live.services:
        if (problem := sentences.get(service.status)) is not None:
            yield f"{label(service.name)} {problem}"


def verdict_of(overview: Overview) -> Verdict:
    """Judge an overview. The gravest finding sets the level and the title.

    Failures that are over are a reason, but do not change the level.
    """
    state = framework_state(overview.status.session, overview.status.live)
    incidents = {
        event.kind for event in overview.status.incidents if overview.since_us <= event.at_us < overview.until_us
    }
    warnings = tuple(_warnings(overview, incidents))
    # An upgrade is only information.
    notes = (INCIDENT_LABELS["database_upgraded"],) if "database_upgraded" in incidents else ()
    failures = (_failures(overview),) if overview.counts.failed else ()
    if state.problems:
        first, *others = state.problems
        title = f"Degraded: {first}" if state.label == "degraded" else first
        failing = (_failing(overview),) if overview.failing_now_count else ()
        return Verdict(level=state.level, title=title, reasons=(*others, *failing, *failures, *warnings, *notes))
    if overview.failing_now_count:
        counts = overview.counts
        known = min(overview.silenced_failures, counts.failed)
        level: VerdictLevel = "bad" if counts.failed - known > _BAD_SHARE * counts.total else "warning"
        return Verdict(level=level, title=_failing(overview), reasons=(*failures, *warnings, *notes))
    if warnings:
        title = f"Healthy, {plural(len(warnings), 'warning')}"
        return Verdict(level="warning", title=title, reasons=(*warnings, *failures, *notes))
    if not overview.counts.total:
        return Verdict(level="good", title="Healthy, no runs", reasons=notes)
    none_failed = (f"{plural(overview.counts.total, 'run')}, none failed",)
    return Verdict(level="good", title="Healthy", reasons=(*(failures or none_failed), *notes))


def _warnings(overview: Overview, incidents: set[str]) -> Iterator[str]:
    for kind in ("database_recovered", "database_replaced"):
        if kind in incidents:
            yield INCIDENT_LABELS[kind]
    if crashes := overview.uptime.crashes:
        yield "Hassette crashed once" if crashes == 1 else f"Hassette crashed {crashes:,} times"
    if overview.lost:
        yield f"{plural(overview.lost, 'record')} lost"


def _failing(overview: Overview) -> str:
    count = overview.failing_now_count
    names = ", ".join(ref.title for ref in overview.failing_now[:2])
    return f"Failing: {names}" if count <= 2 else f"Failing: {names} and {count - 2:,} more"


def _failures(overview: Overview) -> str:
    counts = overview.counts
    failed = f"{counts.failed:,} of {plural(counts.total, 'run')} failed"
    if known := overview.silenced_failures:
        # The newest runs may have failed with a silenced error, so the text does not state that they succeed again.
        of_them = "" if counts.failed == 1 else f"{'all' if known >= counts.failed else f'{known:,}'} of them "
        return f"{failed}, {of_them}with a silenced error"
    return failed if overview.failing_now_count else f"{failed}, but the newest runs succeed again"
