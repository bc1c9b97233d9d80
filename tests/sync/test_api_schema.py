"""The API keeps to its description: schemathesis makes requests from the description, and checks every answer."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from hassette_sync import MemoryFeed
from hassette_sync.control import MemoryControl
from hassette_sync.service import DEFAULT_DEADLINE_S, DataSyncService
from hassette_sync.settings import WebSettings
from support.waiting import patience

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")
import schemathesis

from hassette_sync.web.application import create_app

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
EXAMPLES = 8


@pytest.fixture(scope="module")
def description(plausible_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The description of the API of a framework that can be controlled."""
    path = Path(shutil.copy(plausible_template, tmp_path_factory.mktemp("api") / "hassette.db"))
    data = DataSyncService(
        path, MemoryFeed(), MemoryControl({"motion_light": ["off"]}), deadline_s=patience(DEFAULT_DEADLINE_S)
    )
    app = create_app(data, WebSettings(control_without_token=True, allowed_hosts=("testserver",)))
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_answer_is_as_described(description: Any, mode: str) -> None:
    valid = mode == "POSITIVE"
    checked: set[str] = set()
    for operation in (result.ok() for result in description.get_all_operations()):

        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            checked.add(case.operation.label)
            case.call_and_validate()

        # No request for an operation without parameters and body can be invalid.
        with contextlib.nullcontext() if valid else contextlib.suppress(Unsatisfiable):
            check()
    assert len(checked) > (40 if valid else 30)
