"""Each module of an app exists once, whatever name an import statement uses."""

import importlib
import inspect
import pickle
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from hassette_core.apps import load_apps
from hassette_core.apps.imports import PACKAGE, forget_modules, loaded_modules
from support.app_runner import AppDirectory, entry, module

APP = "\nclass Good(App[AppConfig]): ...\n"


@pytest.fixture(autouse=True)
def restore_modules() -> Iterator[None]:
    before = dict(sys.modules)
    yield
    forget_modules(loaded_modules())
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


def load(app_dir: AppDirectory, *modules: str) -> list[str]:
    """Load an app of each module, and return the errors."""
    entries = {module.replace(".", "_"): entry(module, "Good") for module in modules}
    return [str(failure.error) for failure in load_apps(entries, app_dir.path)[1]]


@pytest.mark.parametrize(
    "statement",
    [
        "import notifier",
        "import notifier as module; RUNNING = module.RUNNING",
        "from notifier import RUNNING",
        "from .notifier import RUNNING",
        "from . import notifier",
        "from hassette_apps.notifier import RUNNING",
        "import hassette_apps.notifier as notifier",
        "import importlib; notifier = importlib.import_module('notifier')",
        "notifier = __import__('notifier')",
    ],
)
@pytest.mark.parametrize("order", [("notifier", "alarm"), ("alarm", "notifier")], ids=["app first", "import first"])
def test_import_gives_the_module_of_the_running_app(
    app_dir: AppDirectory, statement: str, order: tuple[str, ...]
) -> None:
    app_dir.write("notifier", "RUNNING = {}" + APP)
    app_dir.write("alarm", statement + APP)
    assert load(app_dir, *order) == []
    alarm = module("alarm")
    found = alarm.RUNNING if hasattr(alarm, "RUNNING") else alarm.notifier.RUNNING
    assert found is module("notifier").RUNNING


@pytest.mark.parametrize("before", ["", "import notifier", "import alarm"])
def test_import_gives_the_running_module_also_if_the_folder_of_the_apps_is_in_the_path(
    app_dir: AppDirectory, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    app_dir.write("notifier", "RUNNING = {}" + APP)
    app_dir.write("alarm", "from notifier import RUNNING" + APP)
    monkeypatch.syspath_prepend(app_dir.path)  # as pytest does with `pythonpath = ["apps"]`
    exec(before)
    assert load(app_dir, "alarm", "notifier") == []
    assert module("alarm").RUNNING is module("notifier").RUNNING
    assert importlib.import_module("notifier") is module("notifier")


def test_module_of_a_test_stays_imported_when_apps_of_its_folder_are_loaded(
    app_dir: AppDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_dir.write("notifier", "RUNNING = {}" + APP)
    app_dir.write("alarm", "RUNNING = {}" + APP)
    monkeypatch.syspath_prepend(app_dir.path)
    classes = [importlib.import_module(name).Good for name in ("notifier", "alarm")]
    for _ in range(2):
        assert load(app_dir, "alarm") == []
        assert [inspect.getfile(each) for each in classes] == [
            str(app_dir.path / "notifier.py"),
            str(app_dir.path / "alarm.py"),
        ]
        assert sys.modules["notifier"].Good is classes[0]
        assert sys.modules["alarm"] is module("alarm")


@pytest.mark.parametrize("name", ["calendar", "time"])
def test_app_in_the_path_does_not_hide_a_module_of_python(
    app_dir: AppDirectory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    app_dir.write(name, "RUNNING = {}" + APP)
    app_dir.write("alarm", f"import {name} as found" + APP)
    monkeypatch.syspath_prepend(app_dir.path)
    assert load(app_dir, "alarm", name) == []
    assert not hasattr(module("alarm").found, "RUNNING")


@pytest.mark.parametrize(
    "statement",
    [
        "from garden.pump import RUNNING",
        "import garden.pump; RUNNING = garden.pump.RUNNING",
        "from garden import pump; RUNNING = pump.RUNNING",
        "from .garden.pump import RUNNING",
        "import garden; from garden.pump import RUNNING",
        "import importlib; RUNNING = importlib.import_module('garden.pump').RUNNING",
    ],
)
@pytest.mark.parametrize("init", [None, "", "from .pump import RUNNING", "from garden.pump import RUNNING"])
def test_import_from_a_folder_gives_the_module_of_the_running_app(
    app_dir: AppDirectory, statement: str, init: str | None
) -> None:
    app_dir.write("garden/pump", "RUNNING = {}" + APP)
    if init is not None:
        app_dir.write("garden/__init__", init)
    app_dir.write("alarm", statement + APP)
    assert load(app_dir, "garden.pump", "alarm") == []
    assert module("alarm").RUNNING is module("garden.pump").RUNNING
    assert [
        name for name in sys.modules if name.endswith("pump") and sys.modules[name] is not module("garden.pump")
    ] == []


def test_package_may_be_an_app_and_import_its_modules_by_relative_and_plain_names(app_dir: AppDirectory) -> None:
    app_dir.write("garden/__init__", "from .pump import FIRST\nfrom garden.pump import FIRST as SECOND" + APP)
    app_dir.write("garden/deep/__init__", "from ..pump import FIRST")
    app_dir.write("garden/pump", "FIRST = object()")
    app_dir.write("alarm", "from garden.deep import FIRST" + APP)
    assert load(app_dir, "garden", "alarm") == []
    garden = module("garden")
    assert garden.FIRST is garden.SECOND is module("alarm").FIRST


@pytest.mark.parametrize("name", ["calendar", "requests_oauth_is_not_here", "typing_extensions", "click", "graphlib"])
def test_app_hides_no_module_of_python_or_of_a_package(app_dir: AppDirectory, name: str) -> None:
    sys.modules.pop("graphlib", None)
    app_dir.write(name, "OURS = 1" + APP)
    app_dir.write("other", f"import {name} as found\nfrom .{name} import OURS" + APP)
    assert load(app_dir, name, "other") == []
    ours = name == "requests_oauth_is_not_here"
    assert (module("other").found is module(name)) is ours
    if not ours:
        assert importlib.import_module(name) is not module(name)


def test_circular_import_of_apps_works_as_in_python(app_dir: AppDirectory) -> None:
    app_dir.write("a", "FIRST = object()\nimport b\nfrom b import LATE" + APP)
    app_dir.write("b", "EARLY = object()\nimport c\nLATE = object()\nfrom a import FIRST" + APP)
    app_dir.write("c", "from b import EARLY\nimport a" + APP)
    assert load(app_dir, "a", "b", "c") == []
    assert module("c").a is module("a")
    assert module("c").EARLY is module("b").EARLY
    assert module("b").FIRST is module("a").FIRST


def test_circular_import_of_a_missing_name_is_explained_by_python(app_dir: AppDirectory) -> None:
    app_dir.write("a", "from b import X\nY = 1" + APP)
    app_dir.write("b", "from a import Y\nX = 1" + APP)
    first, second = load(app_dir, "a", "b")
    assert "circular import" in first
    assert "circular import" in second, "the plain name of the module that failed first must not remain"


def test_failed_import_leaves_no_module_and_can_be_repeated(app_dir: AppDirectory) -> None:
    app_dir.write("a", "try:\n    import b\nexcept ZeroDivisionError:\n    FAILED = True" + APP)
    app_dir.write("b", "1 / 0")
    assert load(app_dir, "a") == []
    assert module("a").FAILED
    assert not {"b", f"{PACKAGE}.b"} & sys.modules.keys()


def test_plain_name_of_a_removed_module_is_forgotten_by_the_next_load(app_dir: AppDirectory) -> None:
    app_dir.write("a", "import b" + APP)
    path = app_dir.write("b", "")
    assert load(app_dir, "a") == []
    path.unlink()
    (error,) = load(app_dir, "a")
    assert "No module named 'b'" in error


def test_edit_within_a_second_is_read_although_the_size_is_the_same(app_dir: AppDirectory) -> None:
    for value in (1, 2, 3):
        app_dir.write("a", f"VALUE = {value}" + APP)
        assert load(app_dir, "a") == []
        assert value == module("a").VALUE
    assert not (app_dir.path / "__pycache__").exists()


def test_classes_of_an_app_can_be_pickled_inspected_and_resolved(app_dir: AppDirectory) -> None:
    path = app_dir.write(
        "shapes",
        """
        from dataclasses import dataclass, field
        from enum import Enum
        @dataclass
        class Point:
            x: int
            near: "list[Point]" = field(default_factory=list)
        class Colour(Enum):
            RED = 1
        """,
    )
    app_dir.write("a", "import shapes\nfrom shapes import Point, Colour" + APP)
    assert load(app_dir, "a") == []
    a, shapes = module("a"), module("shapes")
    assert a.Point is shapes.Point
    copy = pickle.loads(pickle.dumps((a.Point(1, [a.Point(2)]), a.Colour.RED)))
    assert copy == (shapes.Point(1, [shapes.Point(2)]), shapes.Colour.RED)
    assert typing.get_type_hints(a.Point) == {"x": int, "near": list[shapes.Point]}
    assert inspect.getsource(a.Point).startswith("@dataclass\nclass Point:")
    assert inspect.getmodule(a.Point) is shapes
    assert Path(shapes.__file__) == path
    assert shapes.__spec__.name == shapes.__name__ == f"{PACKAGE}.shapes"
    assert importlib.import_module(shapes.__name__) is importlib.import_module("shapes") is shapes


def test_module_of_a_library_is_not_taken_from_an_app_while_the_library_is_installed(
    app_dir: AppDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library" / "made_for_this_test"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("from made_for_this_test import inner\n", encoding="utf-8")
    (library / "inner.py").write_text("INSTALLED = True\n", encoding="utf-8")
    monkeypatch.syspath_prepend(library.parent)
    app_dir.write("made_for_this_test", "from .inner_of_app import X" + APP)
    app_dir.write("inner_of_app", "X = 1\nfrom made_for_this_test.inner import INSTALLED" + APP)
    assert load(app_dir, "made_for_this_test", "inner_of_app") == []


def test_import_in_a_function_of_a_running_app_gives_the_running_module(app_dir: AppDirectory) -> None:
    app_dir.write("a", "def find():\n    import b\n    return b" + APP)
    app_dir.write("b", APP)
    assert load(app_dir, "a", "b") == []
    assert module("a").find() is module("b")


def test_name_that_exists_nowhere_is_not_found(app_dir: AppDirectory) -> None:
    app_dir.write("a", "import importlib.util\nFOUND = importlib.util.find_spec('nothing_of_this_name')" + APP)
    assert load(app_dir, "a") == []
    assert module("a").FOUND is None
