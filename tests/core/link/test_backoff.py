"""The backoff doubles with each attempt, has full jitter and an upper bound."""

from hypothesis import given
from hypothesis import strategies as st

from hassette_core.link.backoff import Backoff


def test_upper_bound_of_the_wait_doubles_from_half_a_second_to_thirty() -> None:
    backoff = Backoff(random=lambda: 1.0)
    assert [backoff.next_s() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    backoff.reset()
    assert backoff.next_s() == 0.5


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40))
def test_wait_is_always_a_random_part_of_the_upper_bound(randoms: list[float]) -> None:
    numbers = iter(randoms)
    backoff = Backoff(random=lambda: next(numbers))
    for attempt, part in enumerate(randoms):
        assert backoff.next_s() == part * min(30, 0.5 * 2**attempt)
