import pytest

from hassette_executor import ExecutorSettings, HassetteError, MemorySink, SettingError
from support.records import job, listener

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        *[
            (key, value, "0 or more")
            for key in ("timeout_s", "stop_timeout_s", "log_lines")
            for value in (-1, NAN, INF)
        ],
        *[
            (key, value, "more than 0 seconds")
            for key in ("flush_interval_s", "retry_min_s")
            for value in (0, NAN, INF)
        ],
        *[(key, value, "at least 1") for key in ("threads", "batch_records", "max_records") for value in (0, NAN)],
        ("retry_max_s", 0.1, "at least retry_min_s (0.5)"),
    ],
)
def test_setting_out_of_range_is_an_error_with_the_expected_value(key, value, expected):
    with pytest.raises(SettingError) as caught:
        ExecutorSettings(**{key: value})
    assert str(caught.value) == f"{key} must be {expected}, got {value!r}"
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, HassetteError)


def test_defaults_and_extremes_are_accepted():
    ExecutorSettings()
    ExecutorSettings(timeout_s=0, log_lines=0, service_calls=0, log_keep_level=0, log_interval_s=0, stop_timeout_s=0)


def test_memory_sink_without_room_is_refused():
    with pytest.raises(ValueError, match="max_records must be at least 1, got 0"):
        MemorySink(0)


@pytest.mark.parametrize("make", [listener, job])
@pytest.mark.parametrize("timeout_s", [-1, float("nan")])
def test_registration_with_an_invalid_deadline_is_refused(make, timeout_s):
    with pytest.raises(SettingError, match="timeout_s must be 0 or more seconds, got "):
        make(timeout_s=timeout_s)
    assert make(timeout_s=0).timeout_s == 0
