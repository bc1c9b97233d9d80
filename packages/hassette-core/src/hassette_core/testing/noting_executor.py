"""`NotingExecutor`: the executor of the home under test, which notes the order of its actions."""

from typing import Any

from hassette_core.testing.recorder import Recorder
from hassette_executor import Command, CommandExecutor, Record, Registration, Trigger


class NotingExecutor(CommandExecutor):
    """An executor that notes in which order runs begin, triggers are skipped and events of the framework happen.

    A record is made at the end of a run, and many runs begin and end at the same moment of the home's time. So neither
    the time nor the id of a record is enough for a timeline.

    Args:
        sinks: Receivers of the records.
        recorder: Receives the notes.
        options: The options of `CommandExecutor`.
    """

    def __init__(self, *sinks: Any, recorder: Recorder, **options: Any) -> None:
        super().__init__(*sinks, **options)
        self._recorder = recorder

    async def execute(self, command: Command) -> Record:
        """Run a command; see `CommandExecutor.execute`."""
        self._recorder.note_run(command.registration, command.trigger)
        return await super().execute(command)

    def count_skip(
        self, registration: Registration, reason: str, count: int = 1, trigger: Trigger | None = None, detail: str = ""
    ) -> None:
        """Count triggers that led to no run; see `CommandExecutor.count_skip`."""
        self._recorder.note_skip(registration, reason, trigger)
        super().count_skip(registration, reason, count, trigger, detail)

    def report(self, kind: str, subject: str, detail: str = "") -> None:
        """Announce an event of the framework; see `CommandExecutor.report`."""
        self._recorder.note_report(kind, subject)
        super().report(kind, subject, detail)
