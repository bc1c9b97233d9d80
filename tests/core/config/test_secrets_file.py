"""Values of the configuration that refer to secrets."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import ConfigError

SECRETS = """
token = "the-token-of-home"
code = 123456
[cameras]
front = "rtsp-of-the-front"
"""


@pytest.fixture
def folder(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HASSETTE__HOME_ASSISTANT__TOKEN")
    (config_dir / "secrets.toml").write_text(SECRETS)
    (config_dir / "secrets.toml").chmod(0o600)
    return config_dir


def load(folder: Path, text: str) -> HassetteConfig:
    (folder / "hassette.toml").write_text(text)
    return load_config(folder / "hassette.toml", plugin_tables=["plug"])


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value).replace(str(folder), "DIR")


@pytest.mark.parametrize(
    "reference",
    ["""'secret("token")'""", "\"secret('token')\"", '"!secret token"', """' secret( "token" ) '"""],
)
def test_secret_is_used_for_each_form_of_a_reference(folder: Path, reference: str) -> None:
    config = load(folder, f"[home_assistant]\ntoken = {reference}\n")
    assert config.require_token() == "the-token-of-home"
    assert "the-token-of-home" in config.secrets


def test_references_work_in_nested_values_lists_instances_plugins_and_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "!secret token")
    monkeypatch.setenv("HASSETTE__PLUG__EXTRA", '"!secret cameras.front"')
    monkeypatch.setenv("HASSETTE__APPS__A__CONFIG__MORE", "secret('code')")
    config = load(
        folder,
        """
        [apps.a]
        module = "a"
        class = "A"
        config = { deep = { list = ["x", '!secret cameras.front'] }, note = "the secret (token) is here" }
        instances = [{ name = "one", code = '!secret code' }]
        [plug]
        url = 'secret("cameras.front")'
        """,
    )
    app = config.apps["a"]
    assert config.require_token() == "the-token-of-home"
    assert app.config == {
        "deep": {"list": ["x", "rtsp-of-the-front"]},
        "note": "the secret (token) is here",
        "more": 123456,
    }
    assert app.instances == [{"name": "one", "code": 123456}]
    assert config.plugins == {"plug": {"url": "rtsp-of-the-front", "extra": "rtsp-of-the-front"}}
    assert {"the-token-of-home", "123456", "rtsp-of-the-front"} <= config.secrets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[home_assistant]\ntoken = '!secret tokem'",
            (
                "DIR/hassette.toml, line 2: home_assistant.token needs the secret 'tokem', which DIR/secrets.toml does"
                " not contain; did you mean 'token'?"
            ),
        ),
        (
            "[plug]\nx = ['!secret nothing_like_it']",
            (
                "DIR/hassette.toml, line 2: plug.x[0] needs the secret 'nothing_like_it', which DIR/secrets.toml does"
                ' not contain. Add the line: nothing_like_it = "…"'
            ),
        ),
        (
            "[hassette]\nsecrets_file = 'gone.toml'\n[plug]\nx = '!secret token'",
            "DIR/hassette.toml, line 4: plug.x needs the secret 'token', but there is no file DIR/gone.toml",
        ),
    ],
)
def test_missing_secret_names_file_line_and_key(folder: Path, text: str, expected: str) -> None:
    assert problem(folder, text) == expected


def test_missing_secret_of_the_environment_names_the_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "!secret gone")
    assert problem(folder, "").startswith(
        "HASSETTE__HOME_ASSISTANT__TOKEN in the environment: home_assistant.token needs"
    )


def test_secrets_file_that_is_not_valid_is_named_without_its_content(folder: Path) -> None:
    (folder / "secrets.toml").write_text("token = hunter22")
    text = problem(folder, "[home_assistant]\ntoken = '!secret token'")
    assert "DIR/secrets.toml is not valid TOML" in text
    assert "hunter22" not in text


def test_wrong_value_from_the_secrets_file_is_masked(folder: Path) -> None:
    text = problem(folder, "[hassette]\nlog_level = '!secret cameras.front'")
    assert "hassette.log_level must be one of" in text
    assert "rtsp" not in text


def test_file_is_not_needed_without_a_reference(folder: Path) -> None:
    (folder / "secrets.toml").unlink()
    config = load(folder, "[home_assistant]\ntoken = 'plain'")
    assert config.used_secrets == frozenset()
    assert config.warnings == ()


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True)])
def test_file_that_everybody_can_read_is_a_warning(folder: Path, mode: int, warns: bool) -> None:
    (folder / "secrets.toml").chmod(mode)
    config = load(folder, "[home_assistant]\ntoken = '!secret token'")
    assert [str(folder / "secrets.toml") in warning for warning in config.warnings] == [True] * warns


@pytest.mark.parametrize(
    "value",
    [
        *("secret(token)", "secret()", 'secret("")', 'secret("token"', "secret 'token'", 'Secret("token")'),
        *(
            "secret(my token)",
            'secret ( "token )',
            'Bearer secret("token")',
            "!secret",
            "!secret two words",
            "!SECRET token",
            "Bearer !secret token",
        ),
    ],
)
def test_text_that_is_meant_as_a_reference_and_is_none_is_an_error(folder: Path, value: str) -> None:
    for text, key in (
        (f"[plug]\nx = '''{value}'''", "plug.x"),
        (f"[plug]\nx = [{{y = ['''{value}''']}}]", "plug.x[0].y[0]"),
    ):
        assert problem(folder, text) == (
            f"DIR/hassette.toml, line 2: {key} must be a whole reference, such as 'secret(\"name\")' or '!secret name',"
            " and no other text"
        )


@pytest.mark.parametrize(
    "value", ["Secret garden", "Secret (for me only)", "the secret (token)", "secrets", "a secret", "it is no !secret"]
)
def test_text_about_secrets_is_a_text(folder: Path, value: str) -> None:
    assert load(folder, f"[plug]\nx = '{value}'").plugins["plug"]["x"] == value


@pytest.mark.parametrize(
    "value",
    [
        'secret("token")',
        "secret('token')",
        '"secret("token")"',
        "!secret token",
        '[\nsecret("token")]',
        '{y = secret("token")}',
    ],
)
def test_reference_without_quotes_is_an_error_with_the_correction(folder: Path, value: str) -> None:
    text = problem(folder, f"[plug]\nx = {value}\n")
    assert text.startswith("DIR/hassette.toml is not valid TOML: ")
    assert text.endswith("""A reference to a secret must be a text in quotes: write 'secret("token")'.""")


def test_key_or_path_of_the_secrets_file_is_no_reference(folder: Path) -> None:
    assert problem(folder, "[plug]\n'!secret token' = 1") == (
        "DIR/hassette.toml, line 2: plug.!secret token must be a plain key, because only a value may refer to a secret"
    )
    assert problem(folder, "[hassette]\nsecrets_file = '!secret token'") == (
        "DIR/hassette.toml, line 2: hassette.secrets_file must be the path of the file with the secrets, got"
        " '!secret token'"
    )


def test_each_item_of_a_list_of_secrets_is_masked(folder: Path) -> None:
    (folder / "secrets.toml").write_text(
        "codes = ['first-code', ['second-code', {more = 'third-code'}], 2026-03-01, true]"
    )
    config = load(folder, "[plug]\nx = '!secret codes'\ny = '!secret codes'")
    assert {"first-code", "second-code", "third-code", "2026-03-01"} <= config.secrets
    config.plugins["plug"]["x"].append("mine")
    assert "mine" not in config.plugins["plug"]["y"], "each reference has its own copy"


@pytest.mark.parametrize(
    ("secrets", "name", "expected"),
    [
        (SECRETS, "cameras", "which is a table in DIR/secrets.toml; name one of its values, such as 'cameras.front'"),
        ("a = '!secret b'", "a", "which must be a value in DIR/secrets.toml and not another reference"),
        ("a = ['x', 'secret(b)']", "a", "which must be a value in DIR/secrets.toml and not another reference"),
        (
            "'a.b' = 1\n[a]\nb = 2",
            "a.b",
            "but DIR/secrets.toml contains 'a.b' twice: in a table, and as a key in quotes",
        ),
    ],
)
def test_secret_without_a_value_is_an_error(folder: Path, secrets: str, name: str, expected: str) -> None:
    (folder / "secrets.toml").write_text(secrets)
    assert problem(folder, f"[plug]\nx = '!secret {name}'") == (
        f"DIR/hassette.toml, line 2: plug.x needs the secret {name!r}, {expected}"
    )


@pytest.mark.parametrize("secret", ["", " ", "a", "22", "on!", "    "])
def test_secret_that_is_too_short_is_not_masked_and_leads_to_a_warning(folder: Path, secret: str) -> None:
    (folder / "secrets.toml").write_text(f"short = '{secret}'\nlong = 'long-enough'")
    (folder / "secrets.toml").chmod(0o600)
    config = load(folder, "[plug]\nx = '!secret short'\ny = '!secret long'")
    assert config.secrets == {"long-enough"}
    assert [warning.replace(str(folder), "DIR") for warning in config.warnings] == (
        ["DIR/secrets.toml: logs and records may show short; only a secret with at least 4 characters can be masked"]
    )


def test_wrong_value_of_a_reference_is_not_shown_however_short_it_is(folder: Path) -> None:
    (folder / "secrets.toml").write_text("short = 'ab'\nlist = ['cd']")
    text = problem(folder, "[hassette]\nlog_level = '!secret short'\nreload = '!secret list'")
    assert "hassette.log_level must be one of" in text
    assert "hassette.reload must be true or false" in text
    assert "'ab'" not in text
    assert "cd" not in text


def test_repr_and_errors_of_the_configuration_show_no_secret(folder: Path) -> None:
    (folder / "secrets.toml").write_text("url = 'http://user:hunter22@home:8123'")
    config = load(folder, "[home_assistant]\nurl = '!secret url'")
    assert config.home_assistant.url == "http://user:hunter22@home:8123"
    assert "hunter22" not in f"{config!r} {config}"
    with pytest.raises(ValidationError) as caught:
        HassetteConfig(hassette={"log_level": "hunter22"})  # pyright: ignore[reportArgumentType]  the wrong value
    assert "hunter22" not in str(caught.value)
