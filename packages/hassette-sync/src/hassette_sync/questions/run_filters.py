"""The filter of a search for runs, with ids in place of names."""

import json
from dataclasses import dataclass

from hassette_store.kinds import KINDS, RunKind
from hassette_sync.reader import Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSearch:
    """Filter on runs with ids in place of names. A field of None does not filter.

    Attributes:
        first_id: Lowest id of the range.
        below: Exclusive upper limit of the ids.
        limit: Maximum number of ids.
        kinds: Kinds of runs.
        registrations: Ids of handlers and jobs, by kind.
        statuses: Numbers of the statuses; None if ``success`` is true.
        success: Whether only successes are wanted.
        session_id: Session of the runs.
        entities: Ids of the name of an entity.
        error_group_id: Error group of the failures.
        min_duration_us: Minimum duration.
        max_duration_us: Maximum duration.
        text: Text in the search form.
        only_in_errors: Whether the text is wanted in the errors of runs only.
    """

    first_id: int
    below: int
    limit: int
    kinds: tuple[RunKind, ...] = KINDS
    registrations: dict[str, tuple[int, ...]] | None = None
    statuses: tuple[int, ...] | None = None
    success: bool = False
    session_id: int | None = None
    entities: tuple[int, ...] | None = None
    error_group_id: int | None = None
    min_duration_us: int | None = None
    max_duration_us: int | None = None
    text: str | None = None
    only_in_errors: bool = False

    @property
    def parameters(self) -> Parameters:
        """Parameters of all statements of the search."""
        return {
            "first_id": self.first_id,
            "below": self.below,
            "limit": self.limit,
            "registrations": None,
            "statuses": json.dumps(self.statuses),
            "session_id": self.session_id,
            "entities": json.dumps(self.entities),
            "error_group_id": self.error_group_id,
            "min_duration_us": self.min_duration_us,
            "max_duration_us": self.max_duration_us,
            "text": self.text,
        }

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions on each run, except those on its registration and its text."""
        wanted = {
            "success": self.success or None,
            "statuses": self.statuses,
            "session": self.session_id,
            "entities": self.entities,
            "min_duration": self.min_duration_us,
            "max_duration": self.max_duration_us,
        }
        return [name for name, value in wanted.items() if value is not None]

    def with_registrations(self) -> tuple[list[str], Parameters]:
        """Return the conditions on each run, including that on its registration, and the parameters."""
        parameters = self.parameters
        if self.registrations is None:
            return self.conditions, parameters
        wanted = [one for registrations in self.registrations.values() for one in registrations]
        parameters["registrations"] = json.dumps(wanted)
        return [*self.conditions, "registrations"], parameters

    def registrations_of(self, kind: RunKind) -> tuple[int, ...]:
        """Return the wanted handlers or jobs."""
        return (self.registrations or {}).get(kind.name, ())
