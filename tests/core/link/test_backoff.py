"""The wait doubles with each attempt, has jitter, and has a small upper bound."""

from hypothesis import given
from hypothesis import strategies as st

from hassette_core.link.backoff import Backoff


def test_upper_bound_of_the_wait_doubles_from_a_quarter_of_a_second_to_two_seconds() -> None:
    backoff = Backoff(random=lambda: 1.0)
    assert [backoff.next_s() for _ in range(6)] == [0.25, 0.5, 1, 2, 2, 2]
    backoff.reset()
    assert backoff.next_s() == 0.25


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40))
def test_wait_is_always_between_the_half_and_the_whole_of_the_upper_bound(randoms: list[float]) -> None:
    numbers = iter(randoms)
    backoff = Backoff(random=lambda: next(numbers))
    for attempt in range(len(randoms)):
        bound = min(2, 0.25 * 2**attempt)
        assert bound / 2 <= backoff.next_s() <= bound
