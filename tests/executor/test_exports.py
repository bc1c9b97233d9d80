import importlib
import pkgutil
from importlib.metadata import version

import hassette_executor


def test_all_is_sorted_and_names_what_is_there():
    names = hassette_executor.__all__
    assert names == sorted(names)
    assert all(hasattr(hassette_executor, name) for name in names)


def test_all_names_every_public_thing_that_the_package_imports():
    modules = {module.name for module in pkgutil.iter_modules(hassette_executor.__path__)}
    public = {name for name in vars(hassette_executor) if not name.startswith("_")} - modules
    assert public == set(hassette_executor.__all__) - {"__version__"}


def test_the_version_is_the_installed_one():
    assert hassette_executor.__version__ == version("hassette-executor")


def test_every_error_has_the_one_root():
    errors = importlib.import_module("hassette_executor.errors")
    classes = [thing for thing in vars(errors).values() if isinstance(thing, type)]
    assert all(issubclass(cls, hassette_executor.HassetteError) for cls in classes)
