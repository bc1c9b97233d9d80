"""Each start of an app, and each reload that changes it, records the version of its code and settings."""

import re
from pathlib import Path
from typing import Any

from hassette_core.apps.deploy_marks import DeployMarks
from hassette_core.config import AppEntry
from hassette_executor import Deploy
from support.whole_home import WholeHome, whole_home

APPS = "import helper\n\nclass App1(App[AppConfig]):\n    pass\n\nclass App2(App[AppConfig]):\n    pass\n"


async def deploys(whole: WholeHome) -> list[Deploy]:
    assert await whole.hassette.executor.force_flush()
    return [deploy for batch in whole.sink.batches for deploy in batch.deploys]


def table(**config: Any) -> AppEntry:
    return AppEntry.model_validate({"module": "apps", "class": "App1", "config": config})


async def test_start_and_changing_reloads_are_recorded_with_the_changed_hash(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1\n")
    async with whole_home(tmp_path, APPS) as whole:
        first, second = await deploys(whole)
        assert [first.app, second.app] == ["app1", "app2"]
        assert first.at_start
        assert first.code_hash == second.code_hash, "both apps are in one module"
        assert first.version != second.version, "their tables differ"
        assert re.fullmatch("[0-9a-f]{10}", first.version)
        await whole.hassette.apps.reload("app1")
        assert len(await deploys(whole)) == 2, "nothing has changed"
        (tmp_path / "helper.py").write_text("x = 2\n")
        await whole.hassette.apps.reload_changed()
        third, fourth = (await deploys(whole))[2:]
        assert (third.app, fourth.app, third.at_start) == ("app1", "app2", False)
        assert third.code_hash != first.code_hash
        assert third.settings_hash == first.settings_hash
        entries = whole.hassette.apps.entries
        await whole.hassette.apps.reload_changed(
            {**entries, "app2": entries["app2"].model_copy(update={"log_level": "debug"})}
        )
        (fifth,) = (await deploys(whole))[4:]
        assert (fifth.app, fifth.code_hash) == ("app2", fourth.code_hash)
        assert fifth.settings_hash != fourth.settings_hash
        assert fifth.id > fourth.id > third.id > second.id > first.id


async def test_rehearsal_is_no_new_version(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1\n")
    async with whole_home(tmp_path, APPS) as whole:
        for on in (True, False):
            await whole.hassette.apps.set_rehearsal("app1", on=on)
            assert whole.hassette.apps.entries["app1"].rehearse is on
        assert len(await deploys(whole)) == 2


def test_rehearsal_of_one_instance_is_no_new_version(tmp_path: Path) -> None:
    (tmp_path / "apps.py").write_text("x = 1\n")
    instances = [
        [{"name": "up", **more}, {"name": "down"}] for more in ({}, {"rehearse": True}, {"rehearse": False}, {"x": 1})
    ]
    tables = [table().model_copy(update={"instances": one}) for one in instances]
    assert len(set(versions(tmp_path, *tables[:3]))) == 1
    assert len(set(versions(tmp_path, *tables))) == 2


async def test_version_that_cannot_be_loaded_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1\n")
    async with whole_home(tmp_path, APPS) as whole:
        (tmp_path / "helper.py").write_text("x = \n")
        await whole.hassette.apps.reload_changed()
        assert len(await deploys(whole)) == 2
        (tmp_path / "helper.py").write_text("x = 1\n")
        await whole.hassette.apps.reload_changed()
        assert len(await deploys(whole)) == 2, "it is the version that runs"


def versions(folder: Path, *tables: AppEntry) -> list[str]:
    found: list[Deploy] = []
    for one in tables:
        DeployMarks(found.append, folder, lambda text: text.replace("hunter2", "•••")).started({"app1": one}, ["app1"])
    return [deploy.version for deploy in found]


def test_secret_and_order_of_keys_change_no_version(tmp_path: Path) -> None:
    (tmp_path / "apps.py").write_text("x = 1\n")
    plain = [table(light="light.a", code=code, nested={"token": code, "level": 3}) for code in ("1234", "9876")]
    other = table(nested={"level": 3, "token": "x"}, code=1, light="light.a")
    assert len(set(versions(tmp_path, *plain, other))) == 1
    texts = versions(tmp_path, table(url="mqtt://hunter2"), table(url="mqtt://•••"))
    assert len(set(texts)) == 1
    assert len(set(versions(tmp_path, table(light="light.a"), table(light="light.b"), table(light=["light.a"])))) == 3


def test_each_kind_of_change_of_the_code_changes_the_version(tmp_path: Path) -> None:
    entry = AppEntry.model_validate({"module": "garden.pump", "class": "Pump"})
    (tmp_path / "garden").mkdir()
    files = {
        "garden/__init__.py": "",
        "garden/pump.py": "from . import valve\nimport plain\n",
        "garden/valve.py": "a = 1\n",
    }
    for name, source in {**files, "plain.py": "b = 1\n", "unrelated.py": "c = 1\n"}.items():
        (tmp_path / name).write_text(source)
    found = versions(tmp_path, entry)
    for name in ("garden/__init__.py", "garden/pump.py", "garden/valve.py", "plain.py"):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "# changed\n")
        found += versions(tmp_path, entry)
    assert len(set(found)) == 5
    (tmp_path / "unrelated.py").write_text("c = 2\n")
    assert versions(tmp_path, entry) == found[-1:]
    (tmp_path / "plain.py").unlink()
    assert versions(tmp_path, entry) != found[-1:]
