"""The API keeps to its description: schemathesis makes requests from the description, and checks every answer."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
import jsonschema_rs
import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

from hassette_sync.web.application import create_app

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
EXAMPLES = 8


@pytest.fixture(scope="module")
def description(plausible_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The description of the API of a framework that can be controlled."""
    path = Path(shutil.copy(plausible_template, tmp_path_factory.mktemp("api") / "hassette.db"))
    data = DataSyncService(
        path, MemoryFeed(), MemoryControl({"motion_light": ["off"]}), deadline_s=patience(DEFAULT_DEADLINE_S)
    )
    app = create_app(data, WebSettings(control_without_token=True, allowed_hosts=("testserver",)))
    yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    asyncio.run(data.close())  # otherwise an open file would fail a later test


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
            answer = case.call(timeout=patience(30))
            lost = _only_a_query(case.operation) and _is_described(case.operation, answer.request.url)
            case.validate_response(answer, excluded_checks=[negative_data_rejection] if lost else [])

        # No request for an operation without parameters and body can be invalid.
        with contextlib.nullcontext() if valid else contextlib.suppress(Unsatisfiable):
            check()
    assert len(checked) > (40 if valid else 30)


def test_a_query_is_judged_as_it_was_sent(description: Any) -> None:
    why = description["/api/v1/why"]["GET"]
    assert _only_a_query(why)
    for query in ("entity=hall&limit=3&state=on", "text=a%20b&at=03:12", "service=7"):
        assert _is_described(why, f"http://testserver/api/v1/why?{query}"), query
    for query in ("", "entity=", "entity=a&text=b", "entity=a&x=", "entity=a&limit=51", "entity=a&limit=3&limit=3"):
        assert not _is_described(why, f"http://testserver/api/v1/why?{query}"), query


def _only_a_query(operation: Any) -> bool:
    return not operation.body and not operation.path_parameters


def _is_described(operation: Any, address: str) -> bool:
    """Return whether the query in an address is valid.

    An invalid value can be lost on its way into the address: an empty list, for example, sends nothing.
    """
    pairs = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    rest = dict(pairs)
    if len(rest) < len(pairs):
        return False
    for one in operation.query:
        schema = one.definition["schema"]
        if one.name == "subject":
            continue
        if one.name not in rest:
            if one.is_required:
                return False
            continue
        text = rest.pop(one.name)
        whole_number = schema.get("type") == "integer" and text.isascii() and text.isdecimal()
        if not jsonschema_rs.is_valid(schema, int(text) if whole_number else text):
            return False
    subject = next((one for one in operation.query if one.name == "subject"), None)
    return not rest if subject is None else jsonschema_rs.is_valid(subject.definition["schema"], rest)
