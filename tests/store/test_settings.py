from pathlib import Path
from typing import Any

import pytest

from hassette_store import DatabaseService, StoreSettings
from hassette_store.plugin import create_sink


def test_plugin_returns_a_service_in_the_data_directory(tmp_path: Path) -> None:
    sink = create_sink(data_dir=tmp_path, settings={"synchronous": "full", "keep_newest": 5})
    assert isinstance(sink, DatabaseService)
    assert sink.path == tmp_path / "hassette.db"
    assert sink.settings == StoreSettings(synchronous="full", keep_newest=5)
    assert not list(tmp_path.iterdir())


def test_unknown_key_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"keep_days is not a setting .* keep_failures_days, .*keep_successes_days"):
        create_sink(data_dir=tmp_path, settings={"keep_days": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"synchronous": "off"},
        {"keep_successes_days": -1},
        {"keep_successes_days": "7"},
        {"keep_failures_days": True},
        {"keep_newest": 1.5},
        {"keep_newest": -1},
        {"keep_newest": 10_001},
        {"keep_newest": True},
        {"max_size_mb": 0},
        {"heartbeat_s": 6},
        {"keep_hourly_days": 500},
        {"check_limit_s": None},
        {"search_index": 1},
    ],
    ids=str,
)
def test_wrong_value_is_reported_with_its_key(wrong: dict[str, Any]) -> None:
    (key,) = wrong
    with pytest.raises(ValueError, match=key):
        StoreSettings.from_mapping(wrong)
