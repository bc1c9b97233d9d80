"""Routing finds exactly those who match, without asking the others."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.bus import topics
from hassette_core.bus.topics import TopicIndex, check_entity, domain_of

names = st.sampled_from(["a", "b", "ab", "ba", "kitchen_a", "kitchen_b"])
domains = st.sampled_from(["light", "switch", "sensor"])
entities = st.builds("{}.{}".format, domains, names)
patterns = st.one_of(
    entities,
    st.builds("{}.{}".format, domains, st.sampled_from(["*", "a*", "*b", "?", "kitchen_*", "[ab]"])),
    st.builds("{}.{}".format, st.sampled_from(["*", "s*", "[ls]*"]), names),
    st.just("*.*"),
)


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "find"]), patterns, entities), max_size=40))
def test_the_index_always_finds_what_a_plain_scan_finds(steps: list[tuple[str, str, str]]) -> None:
    index: TopicIndex[int] = TopicIndex(domain_of)
    present: list[tuple[str, int]] = []
    for number, (step, pattern, entity) in enumerate(steps):
        if step == "add":
            index.add(pattern, number)
            present.append((pattern, number))
        elif step == "remove" and present:
            index.remove(*present.pop(number % len(present)))
        expected = {n for p, n in present if fnmatch.fnmatchcase(entity, p)}
        found = index.find(entity)
        assert set(found) == expected
        assert len(found) == len(expected)


def test_who_comes_after_a_topic_was_asked_for_is_found_and_who_goes_is_not() -> None:
    index: TopicIndex[str] = TopicIndex(domain_of)
    assert index.find("light.a") == ()
    for topic in ("light.a", "light.*"):
        index.add(topic, "somebody")
        assert index.find("light.a") == ("somebody",)
        index.remove(topic, "somebody")
        assert index.find("light.a") == ()


def test_listeners_that_cannot_match_are_never_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    index: TopicIndex[int] = TopicIndex(domain_of)
    for number in range(1_000):
        index.add(f"light.lamp_{number}", number)
        index.add("switch.kitchen_*", number)
    index.add("sensor.*", -1)
    tried: list[str] = []
    for patterns_of_group in index._globs.values():  # pyright: ignore[reportPrivateUsage]
        for pattern, (expression, listeners) in list(patterns_of_group.items()):

            class Spy:
                def __init__(self, pattern: str, expression: object) -> None:
                    self.pattern, self.expression = pattern, expression

                def match(self, topic: str) -> object:
                    tried.append(self.pattern)
                    return self.expression.match(topic)  # type: ignore[attr-defined]

            patterns_of_group[pattern] = (Spy(pattern, expression), listeners)  # type: ignore[assignment]
    assert index.find("sensor.power") == (-1,)
    assert index.find("sensor.power") == (-1,)
    assert tried == ["sensor.*"]


def test_remembered_routes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "MAX_ROUTES", 10)
    index: TopicIndex[int] = TopicIndex(domain_of)
    for number in range(100):
        index.find(f"light.{number}")
    assert len(index._routes) <= 10  # pyright: ignore[reportPrivateUsage]


def test_a_star_alone_stands_for_every_entity() -> None:
    assert check_entity("*") == "*.*"


def test_a_set_of_letters_in_a_glob_hears_those_and_no_others() -> None:
    index: TopicIndex[int] = TopicIndex(domain_of)
    index.add(check_entity("light.[!b-d]_desk"), 1)
    assert [index.find(f"light.{letter}_desk") for letter in "abcde"] == [(1,), (), (), (), (1,)]
