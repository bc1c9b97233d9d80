"""The methods of `DataSyncService` are easy to find, and the kinds of runs agree with the store."""

import inspect
from pathlib import Path
from typing import get_args

import pytest

import hassette_store
from hassette_store.kinds import KINDS
from hassette_store.statuses import STATUS_NAMES
from hassette_sync import DataSyncService, NewerDatabaseError
from hassette_sync.answers.kinds import LABELS, TRIGGERS, Kind
from hassette_sync.answers.registrations import AppSummary
from hassette_sync.answers.values import Counts

METHODS = {name: method for name, method in vars(DataSyncService).items() if not name.startswith("_")}
QUESTIONS = {name: method for name, method in METHODS.items() if inspect.iscoroutinefunction(method)}


@pytest.mark.parametrize("name", QUESTIONS)
def test_question_is_a_method_with_a_docstring(name: str) -> None:
    method = QUESTIONS[name]
    parameters = list(inspect.signature(method).parameters)
    assert (method.__name__, parameters[0]) == (name, "self")
    assert "transaction" not in parameters
    assert inspect.getdoc(method)


def test_readme_lists_all_questions() -> None:
    readme = (Path(__file__).parents[2] / "packages/hassette-sync/README.md").read_text()
    table = readme.split("| method | answer |")[1].split("##")[0]
    internal = {"close", "covered", "file_version", "newest_id", "present_facts"}
    assert [name for name in QUESTIONS if f"`{name}`" not in table] == [n for n in QUESTIONS if n in internal]


def test_kinds_of_runs_are_those_of_the_store() -> None:
    names = tuple(kind.name for kind in KINDS)
    assert get_args(Kind) == names
    assert tuple(TRIGGERS) == tuple(LABELS) == names
    assert {f"{name}s" for name in names} <= set(AppSummary.model_fields)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_trigger_has_a_field_for_each_column_of_its_kind(kind: hassette_store.kinds.RunKind) -> None:
    fields = set(TRIGGERS[kind.name].model_fields) - {"kind"}
    assert len(fields) == len(kind.running_columns)


def test_counts_have_a_field_for_each_status_of_the_store() -> None:
    assert tuple(Counts.model_fields) == STATUS_NAMES


def test_newer_file_is_the_same_error_for_users_of_the_store_and_of_sync(tmp_path: Path) -> None:
    error = NewerDatabaseError(tmp_path / "hassette.db", "9999", "0001")
    assert isinstance(error, hassette_store.NewerDatabaseError)
    assert error.revision == "9999"


async def test_path_may_be_a_text(plausible: Path) -> None:
    async with DataSyncService(str(plausible)) as data:
        assert (await data.status()).path == str(plausible)
        assert data.path == plausible


async def test_service_answers_again_after_it_was_closed(plausible: Path) -> None:
    data = DataSyncService(plausible)
    for _ in range(2):
        assert (await data.sessions()).sessions
        await data.close()
        await data.close()
