"""Join the answers about several handlers and jobs that did not run: the gravest obstacle first."""

from typing import Final

from hassette_sync.answers.explanations import WhyNot

OBSTACLES: Final = ("framework_down", "disabled", "not_connected", "not_registered")
"""Reasons that keep each trigger from leading to a run, the gravest first."""

_LESS_GRAVE: Final = ("not_matching", "nothing_came", "unknown", "ran")
_MAX_SENTENCES: Final = 5


def gravest_first(answers: list[tuple[WhyNot, str]], *, unchanged: tuple[str, ...] = ()) -> WhyNot:
    """Return the answer about the handler or job with the gravest obstacle. Its sentence also has the other answers.

    Handlers and jobs that did run are named only if all of them ran, or if there was an obstacle after their run.

    Args:
        answers: The answers, each with the name of its entity; an empty name if all are about one entity.
        unchanged: Names of the entities that no handler or job changes.
    """
    ordered = sorted(answers, key=lambda one: _gravity(one[0]))
    shown = [one for one in ordered if one[0].reason in OBSTACLES or not one[0].runs] or ordered
    entities: dict[str, list[str]] = {}
    for answer, entity in shown:
        entities.setdefault(answer.sentence, []).append(entity)
    parts = [
        f"{', '.join(names)}: {sentence}" if names[0] else sentence
        for sentence, names in list(entities.items())[:_MAX_SENTENCES]
    ]
    if unchanged:
        more = " and others" if len(unchanged) > _MAX_SENTENCES else ""
        listed = f"{', '.join(unchanged[:_MAX_SENTENCES])}{more}"
        parts.append(f"In the week before, no handler or job did this for {listed}.")
    first, refs = ordered[0][0], dict.fromkeys(one.registration for one, _ in ordered)
    others = tuple(ref for ref in refs if ref is not None and ref != first.registration)
    return first.model_copy(update={"sentence": " ".join(parts), "suggestions": others})


def _gravity(answer: WhyNot) -> int:
    if answer.reason in OBSTACLES:
        return OBSTACLES.index(answer.reason)
    if answer.reason in _LESS_GRAVE:
        return len(OBSTACLES) + 2 + _LESS_GRAVE.index(answer.reason)
    # A decision not to run explains more about a handler that did not run at all.
    return len(OBSTACLES) + bool(answer.runs)
