"""Values of the configuration that refer to secrets."""

from pathlib import Path

import pytest

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
