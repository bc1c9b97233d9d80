"""Configuration: precedence of its sources, and errors with file, line, key and expected value."""

from pathlib import Path

import pytest

from hassette_core.config import HassetteConfig, load_config
from hassette_core.config.lines import Lines
from hassette_core.errors import ConfigError

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hassette.toml"


def load(file: Path, text: str) -> HassetteConfig:
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def problem(file: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    return str(caught.value).replace(str(file), "FILE")


def test_empty_file_is_a_configuration(file: Path) -> None:
    config = load(file, "")
    assert config.data_dir == file.parent / "data"
    assert config.app_dir == file.parent / "apps"
    assert config.home_assistant.token is None
    assert config.secrets == frozenset()


def test_paths_are_relative_to_the_file_and_not_to_the_working_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    config = load(file, '[hassette]\ndata_dir = "history"\napp_dir = "/srv/apps"')
    assert config.data_dir == file.parent / "history"
    assert config.app_dir == Path("/srv/apps")


def test_environment_takes_precedence_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "from-the-environment")
    monkeypatch.setenv("HASSETTE__LOG_LEVEL", "debug")
    monkeypatch.setenv("HASSETTE__EXECUTOR__TIMEOUT_S", "2.5")
    config = load(file, '[home_assistant]\nurl = "http://ha:8123"\ntoken = "from-the-file"')
    assert config.secrets == {"from-the-environment"}
    assert config.home_assistant.url == "http://ha:8123"
    assert config.hassette.log_level == "debug"
    assert config.executor.timeout_s == 2.5


def test_values_of_a_plugins_table_keep_their_types(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASSETTE__SYNC__PORT", "8124")
    monkeypatch.setenv("HASSETTE__SYNC__HOST", "127.0.0.1")
    monkeypatch.setenv("HASSETTE__STORE__BACKUP", "true")
    config = load(file, '[store]\nsynchronous = "full"\n')
    assert config.plugins == {
        "store": {"synchronous": "full", "backup": True},
        "sync": {"port": 8124, "host": "127.0.0.1"},
    }


def test_numeric_token_in_the_environment_stays_text(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "123456")
    assert load(file, "").secrets == {"123456"}


def test_plugins_token_in_the_environment_stays_text_and_is_a_secret(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASSETTE__SYNC__TOKEN", "0012345678901234")
    config = load(file, "")
    assert config.plugins == {"sync": {"token": "0012345678901234"}}
    assert config.secrets == {"0012345678901234"}


def test_values_of_secret_keys_are_secrets_and_not_in_the_repr(file: Path) -> None:
    config = load(
        file,
        """
        [sync]
        headers = { "X-Scope" = "my home", authorization = "Bearer 0123456789" }

        [apps.weather]
        module = "weather"
        class = "Weather"
        config = { api_key = "sunny-and-warm", city = "Vienna" }
        instances = [{ instance = "garden", alarm_code = "123456", pin = "1234" }]
        """,
    )
    secrets = {"my home", "Bearer 0123456789", "sunny-and-warm", "123456"}
    assert config.secrets == secrets, "four digits are part of too many other numbers"
    assert not [secret for secret in (*secrets, "1234") if secret in repr(config)]


def test_token_can_be_in_a_separate_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = file.parent / "secret"
    secret.write_text("hush\n", encoding="utf-8")
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN_FILE", str(secret))
    assert load(file, "").secrets == {"hush"}


def test_token_file_is_relative_to_the_file_and_not_to_the_working_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "secret").write_text("hush\n", encoding="utf-8")
    monkeypatch.chdir("/")
    assert load(file, '[home_assistant]\ntoken_file = "secret"').secrets == {"hush"}


def test_token_file_of_the_environment_takes_precedence_over_a_token_of_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "secret").write_text("new", encoding="utf-8")
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN_FILE", "secret")
    assert load(file, '[home_assistant]\ntoken = "old"').secrets == {"new"}


def test_token_of_the_environment_takes_precedence_over_every_token_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "new")
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN_FILE", "/nowhere/token")
    assert load(file, '[home_assistant]\ntoken_file = "/nowhere/at/all"').secrets == {"new"}


def test_byte_order_mark_is_ignored(file: Path) -> None:
    (file.parent / "secret").write_text("hush\n", encoding="utf-8-sig")
    file.write_text('[home_assistant]\ntoken_file = "secret"\n', encoding="utf-8-sig")
    assert load_config(file).secrets == {"hush"}
    assert Lines("\ufeff[store]\nx = 1").find(("store",)) == 1


def test_token_is_not_in_the_repr_or_dump(file: Path) -> None:
    config = load(file, '[home_assistant]\ntoken = "hush-hush"')
    assert "hush-hush" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_apps_have_their_instances_and_settings(file: Path) -> None:
    config = load(
        file,
        """
        [apps.hall]
        module = "motion_light"
        class = "MotionLight"
        instances = [{ name = "hall", light = "light.hall" }, { name = "attic", light = "light.attic" }]
        [apps.climate]
        module = "climate_guard"
        class = "ClimateGuard"
        enabled = false
        config.limit = 21
        """,
    )
    assert [instance["name"] for instance in config.apps["hall"].instances] == ["hall", "attic"]
    assert config.apps["hall"].class_name == "MotionLight"
    assert config.apps["climate"].config == {"limit": 21}
    assert not config.apps["climate"].enabled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '# mine\n[home_assistant]\ntokn = "x"',
            (
                "FILE, line 3: home_assistant.tokn is not a known key; did you mean 'token'?"
                " Known keys: ca_file, token, token_file, url, verify_ssl"
            ),
        ),
        (
            '[home_asistant]\nurl = "x"',
            (
                "FILE, line 1: home_asistant is not a known key; did you mean 'home_assistant'?"
                " Known keys: apps, executor, hassette, home_assistant, mcp, store, sync, watchdogs"
            ),
        ),
        (
            '[hassette]\n\nlog_level = "loud"',
            "FILE, line 3: hassette.log_level must be one of 'debug', 'info', 'warning' or 'error', got 'loud'",
        ),
        (
            '[hassette]\ntime_zone = "Mars/Base"',
            "FILE, line 2: hassette.time_zone must be a time zone such as 'Europe/Vienna', got 'Mars/Base'",
        ),
        ('hassette.stop_budget_s = "soon"', "FILE, line 1: hassette.stop_budget_s must be a number, got 'soon'"),
        ("[hassette]\nstop_budget_s = 0", "FILE, line 2: hassette.stop_budget_s must be greater than 0, got 0"),
        ("[executor]\nthreads = 1.5", "FILE, line 2: executor.threads must be a whole number, got 1.5"),
        ("[executor]\nthreads = 0", "FILE, line 2: executor.threads must be at least 1, got 0"),
        ("hassette = 3", "FILE, line 1: hassette must be a table, got 3"),
        ("store = 3", "FILE, line 1: store must be a table, got 3"),
        ("[home_assistant]\ntoken = 123456", "FILE, line 2: home_assistant.token must be text in quotes"),
        (
            '[apps.hall]\nclass = "Hall"',
            "FILE, line 1: apps.hall.module is missing: it must be the module in app_dir, such as 'motion_light'",
        ),
        (
            '[apps.hall]\nmodule = "hall"\nclass = "Hall"\ninstances = [\n {},\n 3]',
            "FILE, line 4: apps.hall.instances[1] must be a table, got 3",
        ),
        (
            '[apps.hall]\nmodule = "hall"\nclass = "Hall"\nenabled = "perhaps"',
            "FILE, line 4: apps.hall.enabled must be true or false, got 'perhaps'",
        ),
    ],
)
def test_error_names_file_line_key_expected_value_and_actual_value(file: Path, text: str, message: str) -> None:
    assert problem(file, text) == message


def test_unknown_key_of_the_executor_suggests_the_closest_one(file: Path) -> None:
    text = problem(file, "[executor]\ntimeout = 5")
    assert text.startswith("FILE, line 2: executor.timeout is not a known key; did you mean 'timeout_s'?")


def test_all_errors_are_reported_at_once(file: Path) -> None:
    text = problem(file, '[hassette]\nlog_level = "loud"\nfoo = 1\n[stoer]\n[home_assistant]\nurl = 5')
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "FILE, line 4",
        *(f"FILE, line {n}" for n in (2, 3, 6)),
    ]


def test_error_in_the_environment_names_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASSETTE__LOG_LEVEL", "loud")
    monkeypatch.setenv("HASSETTE__STROE__X", "1")
    lines = problem(file, '[hassette]\nlog_level = "info"').splitlines()
    assert lines[0].startswith("HASSETTE__LOG_LEVEL in the environment: hassette.log_level must be one of 'debug',")
    assert lines[1].startswith("HASSETTE__STROE__X in the environment: stroe is not a known key; did you mean 'store'?")


@pytest.mark.parametrize(
    ("setting", "below", "key"),
    [
        ("HOME_ASSISTANT__TOKEN", "HOME_ASSISTANT__TOKEN__X", "home_assistant.token"),
        ("TIME_ZONE", "HASSETTE__TIME_ZONE__NAME", "hassette.time_zone"),
        ("SYNC__PORT", "SYNC__PORT__A__B", "sync.port"),
        ("OTEL__HEADERS", "OTEL__HEADERS__A__B", "otel.headers.a"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_two_contradicting_variables_are_both_named_in_any_order(
    file: Path, monkeypatch: pytest.MonkeyPatch, setting: str, below: str, key: str, turned: bool
) -> None:
    text = "{ a = 'hush' }" if setting.endswith("HEADERS") else "hush"
    variables = [(f"HASSETTE__{setting}", text), (f"HASSETTE__{below}", "hush")]
    for name, value in reversed(variables) if turned else variables:
        monkeypatch.setenv(name, value)
    assert problem(file, "") == (
        f"HASSETTE__{setting} and HASSETTE__{below} in the environment contradict each other: the first makes {key} a"
        " value, and the second makes it a table. Remove one of them."
    )


@pytest.mark.parametrize("turned", [False, True])
def test_variable_can_add_a_key_to_a_table_of_another_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    variables = [("HASSETTE__STORE__X", "{ a = 1 }"), ("HASSETTE__STORE__X__B", "2")]
    for name, value in reversed(variables) if turned else variables:
        monkeypatch.setenv(name, value)
    assert load(file, "").plugins == {"store": {"x": {"a": 1, "b": 2}}}


@pytest.mark.parametrize(
    ("text", "variables", "key"),
    [
        ("home_assistant = 3", {"HOME_ASSISTANT__TOKEN": "x"}, "home_assistant"),
        ("store = 3", {"STORE__BACKUP": "true"}, "store"),
        ("apps.hall = 3", {"APPS__HALL__MODULE": "hall", "APPS__HALL__CLASS": "Hall"}, "apps.hall"),
    ],
)
def test_environment_does_not_hide_a_wrong_table_in_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str], key: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"HASSETTE__{name}", value)
    assert problem(file, text) == f"FILE, line 1: {key} must be a table, got 3"


def test_error_does_not_show_a_token(file: Path) -> None:
    assert "hush" not in problem(file, '[home_assistant]\ntoken = ["hush"]')


def test_missing_file_is_an_error_that_explains_how_to_create_one(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*hassette\.toml .*hassette init.* --config"):
        load_config(file)


def test_directory_instead_of_the_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory\."):
        load_config(tmp_path)


def test_error_about_invalid_toml_names_the_line(file: Path) -> None:
    assert "(at line 2, column 5)" in problem(file, "[hassette]\nnot a key")


def test_file_that_is_not_utf_8_is_a_clear_error(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text"):
        load_config(file)


@pytest.mark.parametrize("name", ["/nowhere/token", "~no-such-user/token"])
def test_unreadable_token_file_is_named(file: Path, name: str) -> None:
    assert problem(file, f'[home_assistant]\ntoken_file = "{name}"') == (
        f"FILE, line 2: home_assistant.token_file must be a readable file, got '{name}': No such file or directory"
    )


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[apps.hall]\nlight = 'light.hall'", "apps.hall.light is not a known key; settings of the app belong in"),
        ("[apps.hall]\ndisable = true", "write enabled = false"),
        ("[apps.hall]\ndependencies = ['notifier']", "write depends_on with app keys"),
        ("[apps.hall]\nfilename = 'hall.py'", "write module, without .py"),
        ("[apps.hall]\nmodule = 'hall'\nclass_name = 'Hall'", "apps.hall.class_name is not a known key; write class."),
        ("[hassette]\nbase_url = 'http://home'", "write url in [home_assistant]"),
        ("[hassette]\ntoken = 'x'", "write token in [home_assistant]"),
        ("[apps.hall]\nmodul = 'hall'", "did you mean 'module'?"),
    ],
)
def test_key_of_another_program_is_an_error_that_names_the_right_key(config_dir: Path, text: str, advice: str) -> None:
    (config_dir / "hassette.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(config_dir / "hassette.toml")
    assert advice in str(caught.value)
