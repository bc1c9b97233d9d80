"""`depends_on`: check the dependencies between apps, and find the order in which they stop."""

from collections.abc import Iterable, Mapping, Sequence

from hassette_core.config import AppEntry
from hassette_core.suggestions import did_you_mean


def dependency_problems(depends_on: Mapping[str, Sequence[str]], entries: Mapping[str, AppEntry]) -> dict[str, str]:
    """Return the problem of each app whose dependencies cannot be met.

    Args:
        depends_on: The dependencies of each app that could be loaded, by app key.
        entries: The tables ``[apps.<key>]``, by app key.
    """
    problems: dict[str, str] = {}
    for app_key, needed in depends_on.items():
        for other in needed:
            if other not in entries:
                known = [key for key in entries if key != app_key]
                hint = did_you_mean(other, known, f"; other apps: {', '.join(known) or 'none'}")
                problems[app_key] = f"depends_on must contain keys of apps, got {other!r}{hint}"
            elif not entries[other].enabled:
                problems[app_key] = f"depends_on contains {other!r}, which is disabled (enabled = false)"
        if app_key not in problems and (cycle := _cycle(app_key, depends_on)):
            problems[app_key] = f"depends_on must not form a cycle, got {' → '.join(cycle)}"
    return problems


def _cycle(start: str, depends_on: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the shortest cycle of dependencies that contains an app. Empty if there is none."""
    paths = [[start]]
    seen: set[str] = set()
    for path in paths:
        for other in depends_on.get(path[-1], ()):
            if other == start:
                return [*path, other]
            if other not in seen:
                seen.add(other)
                paths.append([*path, other])
    return []


def stop_waves(app_keys: Iterable[str], depends_on: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """Return the apps in the order in which they stop: each app before the apps on which it depends.

    The apps of one wave may stop at the same time.
    """
    left = set(app_keys)
    waves: list[set[str]] = []
    while left:
        needed = {other for app_key in left for other in depends_on.get(app_key, ()) if other != app_key}
        wave = left - needed or left  # a cycle, which `dependency_problems` has reported
        waves.append(wave)
        left = left - wave
    return waves
