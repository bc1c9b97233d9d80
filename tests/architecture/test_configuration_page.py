"""`docs/configuration.md` lists every key with its default."""

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from hassette_core.config import FrameworkSettings, HomeAssistantSettings
from hassette_core.config.model import AppEntry, RecordingSettings, WatchdogSettings
from hassette_executor import ExecutorSettings
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_store.settings import StoreSettings
from hassette_sync.assistants.settings import AssistantSettings
from hassette_sync.settings import WebSettings

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
PYDANTIC = {
    "hassette": FrameworkSettings,
    "home_assistant": HomeAssistantSettings,
    "apps.<key>": AppEntry,
    "watchdogs": WatchdogSettings,
    "recording": RecordingSettings,
}
DATACLASSES = {
    "executor": ExecutorSettings,
    "store": StoreSettings,
    "sync": WebSettings,
    "mcp": AssistantSettings,
    "otel": OpenTelemetrySettings,
}
MADE_UP = {"instance_id": "made for this home"}  # keys whose default is not a fixed value


def documented(table: str) -> dict[str, str]:
    """Return the keys that the page lists for a table, with their defaults."""
    section = PAGE.read_text().partition(f"## `[{table}]`\n")[2].partition("\n## ")[0]
    return {key: default.strip("`") for key, default in re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE)}


def actual(table: str) -> Iterator[tuple[str, str]]:
    """Yield the keys of a table in the code, with their defaults as TOML."""
    if model := PYDANTIC.get(table):
        for name, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            yield field.alias or name, "required" if field.is_required() else as_toml(default)
    else:
        for setting in fields(DATACLASSES[table]):
            made = setting.default_factory() if setting.default_factory is not MISSING else setting.default
            plain = "required" if made is MISSING else as_toml(made)
            yield setting.name, MADE_UP.get(setting.name, plain)


def as_toml(value: object) -> str:
    if value is None:
        return "none"
    return json.dumps(str(value) if isinstance(value, Path) else value)


@pytest.mark.parametrize("table", [*PYDANTIC, *DATACLASSES])
def test_page_lists_every_key_with_its_default(table: str) -> None:
    assert documented(table) == dict(actual(table))
