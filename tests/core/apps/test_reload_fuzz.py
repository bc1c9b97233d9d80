"""Random edits of apps while handlers run: what runs is the last good version, once, with one copy of each module."""

import asyncio
import random
import sys
from typing import Any

import pytest

from hassette_core.apps import AppService
from hassette_core.apps.imports import PACKAGE
from hassette_core.config import AppEntry
from support.app_runner import AppDirectory, AppRunner, entry
from support.home import Home

pytestmark = pytest.mark.heavy

CLASSES = {"a": ("one", "A"), "b": ("one", "B"), "c": ("two", "C"), "d": ("pack.three", "D")}
"""The module and the class of each app. The apps a and b share a file."""
IMPORTS = {"shared": [], "one": ["shared"], "two": ["one", "shared"], "pack.three": ["shared"], "pack.__init__": []}
EDGES = {**IMPORTS, "pack.three": ["shared", "pack.__init__"]}
"""The modules that each module needs. Python imports a package before its modules."""
CLASS = """
class {name}(App[Config]):
    VERSION = {version}
    async def on_initialize(self):
        {start}
        self.bus.on_state_change(self.heard, "light.a")
        self.scheduler.run_every(self.heard, 3600)
    async def heard(self):
        RUNS.append((self.app_key, self.instance))
        await asyncio.sleep(0)
"""
BAD_FILES = [
    "def (",
    "1 / 0",
    "import nothing_of_this_name",
    "",
    "x = '",
    "raise SystemExit",
    "from shared import Nothing",
]
BAD_STARTS = [
    "raise ValueError('no')",
    "import nothing_of_this_name",
    "raise SystemExit",
    "self.config.gone",
    "await self.lost()",
]


def source(module: str, version: int, start: str = "pass") -> str:
    """Return a version of a module. Its apps begin their starts with a statement, which may fail."""
    names = [name for where, name in CLASSES.values() if where == module]
    text = "import asyncio\nfrom hassette_core import App, AppConfig\nfrom runs import RUNS\n"
    text += "".join(f"from {other} import VERSION as {other.upper()}\n" for other in IMPORTS[module])
    text += f"VERSION = {version}\nclass Config(AppConfig):\n    word: str = 'none'\n"
    return text + "".join(CLASS.format(name=name, version=version, start=start) for name in names)


class Model:
    """The expected versions: for each module, the last file that all apps of its group could use."""

    def __init__(self, app_dir: AppDirectory, home: Home, service: AppService, tables: dict[str, AppEntry]) -> None:
        self.app_dir = app_dir
        self.home = home
        self.service = service
        self.tables = tables
        self.good = dict.fromkeys(IMPORTS, 0)
        self.words = dict.fromkeys(CLASSES, "none")
        self.disk: dict[str, int | None] = dict.fromkeys(IMPORTS, 0)  # None for a broken file

    def save(self, module: str, text: str, version: int | None) -> None:
        (self.app_dir.path / f"{module.replace('.', '/')}.py").write_text(text, encoding="utf-8")
        self.disk[module] = version

    def expect(self) -> None:
        """Note the new good versions. Changed modules that import each other are accepted together."""
        changed = [name for name in IMPORTS if self.disk[name] != self.good[name]]
        group, refused = set(changed), set[str]()
        for _ in EDGES:
            group |= {name for name, imports in EDGES.items() if group & set(imports)}
        while group:
            part, before = {min(group)}, set[str]()
            while part != before:
                before = set(part)
                part |= {name for name in group if part & set(EDGES[name]) or any(name in EDGES[each] for each in part)}
            group -= part
            if all(self.disk[name] is not None for name in part):
                self.good.update({name: version for name in part if (version := self.disk[name]) is not None})
            else:
                refused |= part
        for key, (module, _) in CLASSES.items():
            if module not in refused:  # settings that were changed with refused code are refused, too
                self.words[key] = self.tables[key].config.get("word", "none")

    def check(self) -> None:
        running = {
            (key, name): app
            for key in self.service.running
            for name, app in self.service.running.instances(key).items()
        }
        wanted = {
            (key, each.get("name", key)) for key, table in self.tables.items() for each in (table.instances or [{}])
        }
        assert running.keys() == wanted
        for (key, _), app in running.items():
            where, name = CLASSES[key]
            module: Any = sys.modules[f"{PACKAGE}.{where}"]
            assert type(app) is getattr(module, name)
            assert (key, type(app).VERSION) == (key, self.good[where])  # type: ignore[attr-defined]
            for other in IMPORTS[where]:
                imported: Any = sys.modules[f"{PACKAGE}.{other}"]
                assert getattr(module, other.upper()) == imported.VERSION
            assert app.config.word == self.words[key]
        for roster in (self.home.bus_service.roster, self.home.scheduler_service.roster):
            owners = sorted((each.registration.app, each.registration.instance) for each in roster.entries())
            assert owners == sorted(running)


@pytest.mark.parametrize("seed", range(3))
async def test_last_good_version_runs_once_after_each_of_many_random_edits(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    caplog.set_level("CRITICAL")
    rng = random.Random(seed)
    app_dir.write("runs", "RUNS = []")
    (app_dir.path / "pack").mkdir()
    for module in IMPORTS:
        (app_dir.path / f"{module.replace('.', '/')}.py").write_text(source(module, 0), encoding="utf-8")
    tables = {key: entry(module, name) for key, (module, name) in CLASSES.items()}
    tables["c"] = entry("two", "C", instances=[{"name": "x"}, {"name": "y"}], depends_on=["a"])
    service = await apps.start(tables)
    model = Model(app_dir, home, service, tables)
    model.check()
    runs: list[tuple[str, str]] = sys.modules[f"{PACKAGE}.runs"].RUNS
    events = 0
    for version in range(1, 26):
        for _ in range(rng.choice((1, 1, 2))):
            module = rng.choice(list(IMPORTS))
            match rng.randrange(5):
                case 0 | 1:
                    model.save(module, source(module, version), version)
                case 2:
                    text = rng.choice(BAD_FILES)
                    model.save(module, text or "1 / 0" if module == "pack.__init__" else text, None)
                case 3 if module in ("one", "two", "pack.three"):
                    model.save(module, source(module, version, rng.choice(BAD_STARTS)), None)
                case _:
                    model.save(module, source(module, model.good[module]), model.good[module])  # changed back
        if rng.random() < 0.2:
            key = rng.choice("abd")
            tables[key] = entry(*CLASSES[key], config={"word": str(version)})
        events += 1
        home.change("light.a", str(events))
        reloading = asyncio.create_task(service.reload_changed(dict(tables)))
        while not reloading.done():
            events += 1
            home.change("light.a", str(events))
            await asyncio.sleep(0)
        await reloading
        model.expect()
        model.check()
    records = await home.records(events * 5)
    assert {record.status for record in records} == {"success"}
    assert sorted(set(runs)) == sorted({(r.registration.app, r.registration.instance) for r in records})
    assert len(runs) == len(records)
