"""Judge the overall health: healthy, healthy with warnings, or needs attention."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hassette_sync.answers.overview import Live, Overview
from hassette_sync.answers.sessions import Session
from hassette_sync.formatting import INCIDENT_LABELS, label, plural

# A higher share of failed runs needs attention, even if most handlers work.
_BAD_SHARE = 0.05
_SERVICE_WARNINGS = {
    "degraded": "is degraded",
    "crashed": "has crashed",
    "exhausted": "has crashed too often and is paused",
    "failed": "has failed",
    "restarting": "is restarting",
}
_SESSION_PROBLEMS = {
    "silent": "Hassette has stopped sending heartbeats",
    "crashed": "Hassette has crashed and is not running",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The overall health.

    Attributes:
        level: ``good``, ``warning`` (not urgent) or ``bad`` (needs attention now).
        title: Short summary: ``Healthy, 2 warnings``.
        reasons: Findings that the title does not name, the most important first.
    """

    level: Literal["good", "warning", "bad"]
    title: str
    reasons: tuple[str, ...]


def verdict_of(overview: Overview) -> Verdict:
    """Judge an overview. The worst finding sets the level. The title names the worst problem, if there is one."""
    incidents = {
        event.kind for event in overview.status.incidents if overview.since_us <= event.at_us < overview.until_us
    }
    bad = tuple(_problems(overview))
    warnings = tuple(_warnings(overview, incidents))
    # A recovery may have lost records, so it is a warning. An upgrade is only information.
    notes = (INCIDENT_LABELS["database_upgraded"],) if "database_upgraded" in incidents else ()
    if bad:
        return Verdict(level="bad", title=f"Needs attention: {bad[0]}", reasons=(*bad[1:], *warnings, *notes))
    if warnings:
        title = f"Healthy, {plural(len(warnings), 'warning')}"
        return Verdict(level="warning", title=title, reasons=(*warnings, *notes))
    if not overview.counts.total:
        return Verdict(level="good", title="Healthy, no runs", reasons=notes)
    return Verdict(
        level="good", title="Healthy", reasons=(f"{plural(overview.counts.total, 'run')}, none failed", *notes)
    )


def _problems(overview: Overview) -> Iterator[str]:
    live, session = overview.status.live, overview.status.session
    if live is None and session is not None and session.state in _SESSION_PROBLEMS:
        yield _SESSION_PROBLEMS[session.state]
    if live is not None and live.connection and live.connection != "connected":
        yield "Home Assistant is not connected"
    if overview.counts.failed and overview.counts.failure_share > _BAD_SHARE:
        yield _failures(overview)


def _warnings(overview: Overview, incidents: set[str]) -> Iterator[str]:
    for kind in ("database_recovered", "database_replaced"):
        if kind in incidents:
            yield INCIDENT_LABELS[kind]
    yield from _service_warnings(overview.status.live, overview.status.session)
    if overview.counts.failed and overview.counts.failure_share <= _BAD_SHARE:
        yield _failures(overview)
    if crashes := overview.uptime.crashes:
        yield "Hassette crashed once" if crashes == 1 else f"Hassette crashed {crashes:,} times"
    if overview.lost:
        yield f"{plural(overview.lost, 'record')} lost"


def _service_warnings(live: Live | None, session: Session | None) -> Iterator[str]:
    if live is not None:
        for service in live.services:
            if (problem := _SERVICE_WARNINGS.get(service.status)) is not None:
                yield f"{label(service.name)} {problem}"
    elif session is None:
        yield "Hassette has not run yet"
    elif session.state not in ("running", *_SESSION_PROBLEMS):
        yield "Hassette is not running"


def _failures(overview: Overview) -> str:
    count = overview.failing_count
    place = f"{overview.failing[0].app}.{overview.failing[0].name}" if count == 1 else f"{count:,} handlers or jobs"
    return f"{overview.counts.failed:,} of {overview.counts.total:,} runs failed in {place}"
