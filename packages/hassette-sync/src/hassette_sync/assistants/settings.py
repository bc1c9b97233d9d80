"""Settings of the access for assistants: the table ``[mcp]`` of hassette.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantSettings:
    """Permissions of assistants.

    Attributes:
        control: Whether assistants may change the running framework, such as run a job.
    """

    control: bool = False

    @classmethod
    def from_mapping(cls, settings: Mapping[str, object]) -> Self:
        """Return the settings of a table.

        Raises:
            ValueError: A key is unknown, or a value is invalid. The message is one sentence that names the key.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(settings) - set(known)):
            raise ValueError(f"{unknown[0]} is not a setting of mcp; the settings are: {', '.join(known)}")
        control = settings.get("control", False)
        if not isinstance(control, bool):
            raise ValueError(f"control must be true or false, got {control!r}")  # noqa: TRY004  a wrong setting
        return cls(control=control)


class SettingsOfHistories:
    """Settings of assistants by history. The table ``[mcp]`` is read after the service of ``[sync]`` is created."""

    def __init__(self) -> None:
        self._settings: dict[Path, AssistantSettings] = {}

    def put(self, data_dir: Path, settings: AssistantSettings) -> None:
        """Set the settings for the history in a data directory."""
        self._settings[data_dir.absolute()] = settings

    def of(self, history: Path) -> AssistantSettings:
        """Return the settings for a history; by default, assistants only read."""
        return self._settings.get(history.absolute().parent, AssistantSettings())


assistant_settings = SettingsOfHistories()
"""Settings of this process."""
