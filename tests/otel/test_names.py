"""Names of attributes match the semantic conventions of OpenTelemetry."""

import importlib
import pkgutil

import opentelemetry.semconv._incubating.attributes
import opentelemetry.semconv.attributes
import pytest

from hassette_executor.otel import names, triggers

NAMES = {key: name for key, name in (vars(names) | vars(triggers)).items() if key.isupper() and isinstance(name, str)}
OURS = ("hassette.", "homeassistant.")


def conventions() -> set[str]:
    """Return every attribute of the semantic conventions in the installed package."""
    known: set[str] = set()
    for package in (opentelemetry.semconv.attributes, opentelemetry.semconv._incubating.attributes):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            values = vars(importlib.import_module(module.name))
            known |= {value for key, value in values.items() if key.isupper() and isinstance(value, str)}
    return known


@pytest.mark.parametrize("name", sorted(name for name in NAMES.values() if not name.startswith(OURS)))
def test_names_outside_of_our_namespaces_are_in_the_semantic_conventions(name):
    assert name in conventions()


def test_names_in_our_namespaces_are_not_in_the_semantic_conventions():
    ours = {name for name in NAMES.values() if name.startswith(OURS)}
    assert ours
    assert not ours & conventions()


def test_each_name_is_defined_once():
    assert len(set(NAMES.values())) == len(NAMES)
