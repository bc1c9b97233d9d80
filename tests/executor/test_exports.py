import importlib
import pkgutil
from importlib.metadata import version

import hassette_executor


def test_all_is_sorted_and_every_name_exists():
    names = hassette_executor.__all__
    constants = [name for name in names if name.isupper()]
    assert names == sorted(constants) + sorted(set(names) - set(constants))
    assert all(hasattr(hassette_executor, name) for name in names)


def test_all_contains_every_public_name_of_the_package():
    modules = {module.name for module in pkgutil.iter_modules(hassette_executor.__path__)}
    public = {name for name in vars(hassette_executor) if not name.startswith("_")} - modules
    assert public == set(hassette_executor.__all__) - {"__version__"}


def test_version_is_the_installed_version():
    assert hassette_executor.__version__ == version("hassette-executor")


def test_every_error_is_a_hassette_error():
    errors = importlib.import_module("hassette_executor.errors")
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(cls, hassette_executor.HassetteError) for cls in classes)
