"""Words for each kind of registration on the pages and in the terminal. `hassette_store.kinds` lists the kinds."""

from dataclasses import dataclass
from typing import Final

from hassette_store import kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLabels:
    """Words for one kind of registration.

    Attributes:
        name: Name of the kind: ``handler``.
        source: Label of the topic or schedule that triggers runs.
        is_scheduled: Whether the next run is known.
        first_one: When the first registration of the kind appears.
        first_run: When the first run of a registration appears.
    """

    name: str
    source: str
    is_scheduled: bool
    first_one: str
    first_run: str

    @property
    def plural(self) -> str:
        """Plural of the name, also the path of the page and the name of the command: ``handlers``."""
        return f"{self.name}s"

    @property
    def title(self) -> str:
        """Title of the page: ``Handlers``."""
        return self.plural.capitalize()


LABELS: Final = {
    labels.name: labels
    for labels in (
        KindLabels(
            name=kinds.HANDLER.name,
            source="Topic",
            is_scheduled=False,
            first_one=(
                'A handler appears when an app registers it: self.bus.on_state_change(self.on_light, "light.hall").'
            ),
            first_run="Runs appear here once an event triggers this handler.",
        ),
        KindLabels(
            name=kinds.JOB.name,
            source="Schedule",
            is_scheduled=True,
            first_one='A job appears when an app schedules it: self.scheduler.run_daily(self.good_night, at="22:30").',
            first_run="Runs appear here once this job is due.",
        ),
    )
}
"""Words by the name of the kind."""
