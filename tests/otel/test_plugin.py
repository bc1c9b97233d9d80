"""The entry point of the sink and errors in its settings."""

import subprocess
import sys
import uuid

import pytest

import hassette_executor.otel
from hassette_executor.otel import OpenTelemetrySettings, create_sink
from hassette_executor.otel import plugin as plugin_module
from hassette_executor.otel.plugin import instance_id
from support.waiting import patience

ENDPOINT = "http://127.0.0.1:4318"


def test_all_is_sorted_and_exists():
    exported = hassette_executor.otel.__all__
    assert exported == sorted(exported)
    assert all(hasattr(hassette_executor.otel, name) for name in exported)


def test_without_a_table_there_is_no_sink(tmp_path):
    assert create_sink(data_dir=tmp_path, settings={}) == ()


def test_table_makes_a_sink_of_each_signal_for_this_home(tmp_path):
    sinks = create_sink(data_dir=tmp_path, settings={"endpoint": ENDPOINT, "resource": {"room": "lab"}})

    assert [sink.name for sink in sinks] == ["opentelemetry traces", "opentelemetry metrics"]
    sink = sinks[0]
    assert sinks[1].settings == sink.settings
    assert sink.settings.endpoint == ENDPOINT
    assert sink.settings.resource == {"room": "lab"}
    assert uuid.UUID(sink.settings.instance_id)


def test_given_instance_id_is_used(tmp_path):
    sink, _ = create_sink(data_dir=tmp_path, settings={"endpoint": ENDPOINT, "instance_id": "cabin"})

    assert sink.settings.instance_id == "cabin"


def test_instance_id_is_stable_differs_by_home_and_hides_the_machine_id(tmp_path):
    machine, other_machine = tmp_path / "machine-id", tmp_path / "other"
    machine.write_text("2a6f0f6b5f5e4f0f8d3f\n")
    other_machine.write_text("9b1d\n")

    assert instance_id(tmp_path, machine) == instance_id(tmp_path, machine)
    assert instance_id(tmp_path, machine) != instance_id(tmp_path / "b", machine)
    assert instance_id(tmp_path, machine) != instance_id(tmp_path, other_machine)
    assert "2a6f0f6b" not in instance_id(tmp_path, machine)


@pytest.mark.parametrize("content", [None, "\n"])
def test_machine_without_an_id_gets_a_random_id(tmp_path, content):
    machine = tmp_path / "machine-id"
    if content is not None:
        machine.write_text(content)

    assert instance_id(tmp_path, machine) != instance_id(tmp_path, machine)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"endpont": ENDPOINT},
            "endpont is not a setting of OpenTelemetry; the settings are: compression, endpoint, headers,",
        ),
        ({"timeout_s": 3}, "endpoint is missing"),
        ({"endpoint": ""}, "endpoint is missing"),
        ({"endpoint": "", "traces_endpoint": "http://a/t"}, "or set metrics_endpoint"),
        ({"traces_endpoint": "collector"}, "traces_endpoint must be an address like http://collector:4318/v1/traces"),
        ({"logs_endpoint": 5}, "logs_endpoint must be an address"),
        ({"logs": "yes"}, "logs must be true or false, got 'yes'"),
        ({"traces": False, "metrics": False}, "one of traces, metrics and logs must be true"),
        ({"endpoint": "collector:4318"}, "endpoint must be an address"),
        ({"endpoint": "http://[::1"}, "endpoint must be an address"),
        ({"endpoint": 4318}, "endpoint must be an address"),
        ({"compression": "zstd"}, 'compression must be "gzip" or "none"'),
        ({"timeout_s": 0}, "timeout_s must be a number of seconds above 0"),
        ({"timeout_s": "5"}, "timeout_s must be a number of seconds above 0"),
        ({"metrics_interval_s": True}, "metrics_interval_s must be a number of seconds"),
        ({"metrics_interval_s": 4_000}, "at most 3600"),
        ({"service_data": 1}, "service_data must be true or false"),
        ({"instance_id": ""}, "instance_id must be a non-empty text, got ''"),
        ({"headers": "a=b"}, "headers must be a table of texts"),
        ({"resource": {"floor": 3}}, "resource must be a table of texts"),
    ],
)
def test_wrong_setting_is_an_error_that_names_the_key(tmp_path, table, message):
    if not {"endpoint", "endpont"} & table.keys() and message != "endpoint is missing":
        table = {"endpoint": ENDPOINT, **table}
    with pytest.raises(ValueError) as wrong:
        create_sink(data_dir=tmp_path, settings=table)
    assert message in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_headers_are_a_secret():
    settings = OpenTelemetrySettings(endpoint=ENDPOINT, headers={"authorization": "Bearer token"})

    assert "Bearer" not in repr(settings)


@pytest.mark.parametrize("missing", [None, ModuleNotFoundError("opentelemetry")])
def test_table_without_the_extra_is_an_error_with_the_install_command(tmp_path, monkeypatch, missing):
    def find_spec(name: str) -> None:
        if missing is not None:
            raise missing

    monkeypatch.setattr(plugin_module, "find_spec", find_spec)

    assert create_sink(data_dir=tmp_path, settings={}) == ()
    with pytest.raises(ValueError, match=r"pip install 'hassette-executor\[otel\]'"):
        create_sink(data_dir=tmp_path, settings={"endpoint": ENDPOINT})


def test_nothing_of_opentelemetry_is_imported_before_the_sink_starts():
    code = """
import sys
import hassette_executor
from hassette_executor.otel import OpenTelemetrySettings, OpenTelemetrySink, create_sink
OpenTelemetrySink(OpenTelemetrySettings(endpoint="http://127.0.0.1:4318"))
found = sorted(name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "requests", "google"))
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=patience(60))
