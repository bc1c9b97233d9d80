"""Compare the entities and services that the apps use with those of the real home."""

import re
from collections.abc import Iterable, Mapping

from hassette_core.apps import LoadedInstance
from hassette_core.checks.findings import Finding, Level
from hassette_core.checks.home import HomeSnapshot
from hassette_core.checks.source import AppSource, EntityUse
from hassette_core.checks.trial import Trial
from hassette_core.entities import glob_matcher, is_glob
from hassette_core.suggestions import did_you_mean

_ENTITY_ID = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_ALL_OR_NONE = frozenset({"all", "none"})
"""Values of ``entity_id`` in a service call that name no entity."""


def compare(
    home: HomeSnapshot, loaded: Iterable[LoadedInstance], sources: Mapping[str, AppSource], trial: Trial
) -> list[Finding]:
    """Return a finding for each entity and service that the apps use and the home does not have.

    Args:
        home: The real home.
        loaded: The loaded instances.
        sources: The code of the apps, by app key.
        trial: The result of starting the apps in a simulated home. It contains the entities that the apps create.
    """
    entities = home.states.keys() | trial.entities
    loaded = tuple(loaded)
    created_ids = _created(loaded, sources)
    created = [glob_matcher(entity_id) for entity_id in created_ids]

    def exists(entity_id: str) -> bool:
        return entity_id in entities or any(matches(entity_id) for matches in created)

    found: dict[tuple[str, str], Finding] = {}
    for app_key, source in sources.items():
        for use in source.entities:
            if use.entity_id not in _ALL_OR_NONE and not exists(use.entity_id):
                found[app_key, use.entity_id] = _missing_entity(app_key, use, entities, source.file)
        for service in source.services:
            if service.service not in home.services.get(service.domain, {}):
                name = f"{service.domain}.{service.service}"
                known = [f"{domain}.{each}" for domain, services in home.services.items() for each in services]
                text = f"app {app_key}: Home Assistant has no service {name!r}{did_you_mean(name, known)}"
                found[app_key, name] = Finding(Level.FAILED, app_key, text, source.file, service.line)
    for subject, topic in trial.topics:
        app_key = subject.partition(".")[0]
        if is_glob(topic):
            if not any(map(glob_matcher(topic), {*entities, *created_ids})):
                text = f"app {subject}: no entity of Home Assistant matches {topic!r}, which the app uses"
                found[subject, topic] = Finding(Level.WARNING, subject, text)
        elif not exists(topic) and (app_key, topic) not in found:
            found[subject, topic] = _missing_entity(subject, EntityUse(topic, 0), entities)
    domains = {entity_id.partition(".")[0] for entity_id in entities}
    for instance in loaded:
        for key, value in _texts(instance.config.model_dump()):
            domain, _, name = value.partition(".")
            if not _ENTITY_ID.fullmatch(value) or domain not in domains or name in home.services.get(domain, {}):
                continue
            subject = f"{instance.app_key}.{instance.instance}"
            if not exists(value) and not {(subject, value), (instance.app_key, value)} & found.keys():
                text = f"app {subject}: Home Assistant has no entity {value!r}, the value of {key}"
                found[subject, value] = Finding(Level.FAILED, subject, text + did_you_mean(value, entities))
    return list(found.values())


def _created(loaded: Iterable[LoadedInstance], sources: Mapping[str, AppSource]) -> set[str]:
    """Return the entity ids and globs that the code of any app creates. An app may listen to the entity of another."""
    created = {entity_id for source in sources.values() for entity_id in source.created}
    for instance in loaded:
        source = sources.get(instance.app_key)
        values = (getattr(instance.config, name, None) for name in (source.created_settings if source else ()))
        created.update(value for value in values if isinstance(value, str))
    return created


def _missing_entity(subject: str, use: EntityUse, entities: Iterable[str], file: str = "") -> Finding:
    text = f"app {subject}: Home Assistant has no entity {use.entity_id!r}{did_you_mean(use.entity_id, entities)}"
    return Finding(Level.FAILED, subject, text, file, use.line)


def _texts(value: object, key: str = "config") -> Iterable[tuple[str, str]]:
    """Yield each text in the settings of an app, with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]  settings may have any type
            yield from _texts(item, f"{key}.{name}")  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(item, key)  # pyright: ignore[reportUnknownArgumentType]
