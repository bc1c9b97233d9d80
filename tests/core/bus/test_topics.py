"""Routing finds exactly the listeners that match, without trying the others."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.bus.topics import TopicIndex
from hassette_core.entities import Matches, check_entity, domain_of, glob_matcher
from hassette_core.errors import RegistrationError

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
def test_index_always_finds_the_same_listeners_as_a_plain_scan(steps: list[tuple[str, str, str]]) -> None:
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


def test_later_registrations_and_removals_change_a_resolved_topic() -> None:
    index: TopicIndex[str] = TopicIndex(domain_of)
    assert index.find("light.a") == ()
    for topic in ("light.a", "light.*"):
        index.add(topic, "listener")
        assert index.find("light.a") == ("listener",)
        index.remove(topic, "listener")
        assert index.find("light.a") == ()


class CountingMatcher:
    """Makes glob matchers, and lists each glob that is tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def __call__(self, glob: str) -> Matches:
        matches = glob_matcher(glob)

        def match(topic: str) -> object:
            self.tried.append(glob)
            return matches(topic)

        return match


def test_globs_of_other_domains_are_never_tried() -> None:
    matcher = CountingMatcher()
    index: TopicIndex[int] = TopicIndex(domain_of, matcher=matcher)
    for number in range(1_000):
        index.add(f"light.lamp_{number}", number)
        index.add("switch.kitchen_*", number)
    index.add("sensor.*", -1)
    assert index.find("sensor.power") == (-1,)
    assert index.find("sensor.power") == (-1,)
    assert matcher.tried == ["sensor.*"]


def test_cache_of_resolved_topics_is_bounded() -> None:
    matcher = CountingMatcher()
    index: TopicIndex[int] = TopicIndex(domain_of, matcher=matcher, max_cached=10)
    index.add("light.*", 1)
    for number in range(11):
        index.find(f"light.{number}")
    index.find("light.0")
    assert len(matcher.tried) == 12


def test_star_alone_matches_every_entity() -> None:
    assert check_entity("*") == "*.*"


def test_set_of_letters_in_a_glob_matches_these_letters_only() -> None:
    index: TopicIndex[int] = TopicIndex(domain_of)
    index.add(check_entity("light.[!b-d]_desk"), 1)
    assert [index.find(f"light.{letter}_desk") for letter in "abcde"] == [(1,), (), (), (), (1,)]


def suggestion(entity_id: str) -> str | None:
    """Return the entity id or glob that the error suggests, or an empty text; None if the value is accepted."""
    try:
        check_entity(entity_id)
    except RegistrationError as error:
        found = re.search(r"did you mean '(.*)'\?$", str(error))
        return found[1] if found else ""
    return None


@pytest.mark.parametrize(
    ("given", "suggested"),
    [
        ("*_motion", "*.*_motion"),
        ("*motion*", "*.*motion*"),
        ("kitchen_*", "*.kitchen_*"),
        ("kitchen_?", "*.kitchen_?"),
        ("light*", "light.*"),
        ("light_*", "light.*"),
        ("binary_sensor*", "binary_sensor.*"),
        ("light", "light.*"),
        ("*.", "*.*"),
        (".*", "*.*"),
        ("Kitchen *", "*.kitchen_*"),
        ("light.kitchen.*", "light.kitchen_*"),
        ("kitchen", "*.kitchen"),
        (".kitchen", "*.kitchen"),
        ("light kitchen", "light.kitchen"),
        ("binary_sensor/hall", "binary_sensor.hall"),
        ("light.küche", "light.kuche"),
    ],
)
def test_wrong_entity_gets_the_suggestion_that_was_probably_meant(given: str, suggested: str) -> None:
    assert suggestion(given) == suggested


@given(st.text(alphabet="ab_.*?[]!- Ä1", max_size=12))
def test_suggested_entity_is_always_accepted(given_text: str) -> None:
    suggested = suggestion(given_text)
    assert not suggested or suggestion(suggested) is None
