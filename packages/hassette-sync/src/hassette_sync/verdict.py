"""Is the house's automation all right? One sentence, from an overview."""

from dataclasses import dataclass
from typing import Literal

from hassette_sync.answers.overview import Overview
from hassette_sync.words import INCIDENT_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to say first.

    Attributes:
        level: ``good``, ``warning`` (look when you have time) or ``bad`` (look now).
        title: The sentence.
        reasons: What led to it, most important first.
    """

    level: Literal["good", "warning", "bad"]
    title: str
    reasons: tuple[str, ...]


# Above this share of failures the house is not all right, however many handlers still work.
_BAD_SHARE = 0.05


def verdict_of(overview: Overview) -> Verdict:
    """Judge an overview."""
    bad, warning = _about_the_framework(overview)
    failed = overview.counts.failed
    if failed:
        many = overview.failing_count
        who = f"{many:,} handlers or jobs" if many != 1 else f"{overview.failing[0].app}.{overview.failing[0].name}"
        said = f"{failed:,} of {overview.counts.total:,} runs failed, in {who}"
        (bad if overview.counts.failure_share > _BAD_SHARE else warning).append(said)
    if overview.uptime.crashes:
        times = "once" if overview.uptime.crashes == 1 else f"{overview.uptime.crashes} times"
        warning.append(f"Hassette crashed {times}")
    if overview.lost:
        warning.append(f"{overview.lost:,} details were not kept")
    befell = [event for event in overview.status.incidents if overview.since_us <= event.at_us < overview.until_us]
    # A recovery may have cost rows; an upgrade is worth a word and no worry.
    if any(event.kind == "database_recovered" for event in befell):
        warning.insert(0, INCIDENT_WORDS["database_recovered"])
    upgraded = any(event.kind == "database_upgraded" for event in befell)
    told = [INCIDENT_WORDS["database_upgraded"]] if upgraded else []
    if bad:
        return Verdict(level="bad", title=_sentence(bad[0]), reasons=(*bad[1:], *warning, *told))
    if warning:
        return Verdict(level="warning", title="Mostly well, with something to look at", reasons=(*warning, *told))
    if not overview.counts.total:
        return Verdict(level="good", title="All quiet: nothing has run", reasons=tuple(told))
    return Verdict(level="good", title="All is well", reasons=(f"{overview.counts.total:,} runs, none failed", *told))


def _about_the_framework(overview: Overview) -> tuple[list[str], list[str]]:
    bad: list[str] = []
    warning: list[str] = []
    session, live = overview.status.session, overview.status.live
    if session is None:
        if live is None:
            warning.append("Hassette has not run yet")
    elif live is None and session.state == "silent":
        bad.append("Hassette is not answering")
    elif live is None and session.state == "crashed":
        bad.append("Hassette has crashed and is not running")
    elif live is None and session.state != "running":
        warning.append("Hassette is not running")
    if live is not None:
        if live.connection and live.connection != "connected":
            bad.append("Home Assistant is not connected")
        warning.extend(
            f"{service.name} is {service.status.replace('_', ' ')}"
            for service in live.services
            if service.status in ("degraded", "crashed", "exhausted", "failed", "restarting")
        )
    return bad, warning


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
