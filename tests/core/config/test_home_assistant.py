"""The table ``[home_assistant]``: trusted certificates, and the address and token of the Supervisor."""

from pathlib import Path

import pytest

from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import ConfigError
from support.certificates import make_certificate

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hassette.toml"


def load(file: Path, *lines: str) -> HassetteConfig:
    file.write_text("\n".join(["[home_assistant]", *lines]), encoding="utf-8")
    return load_config(file)


def problem(file: Path, *lines: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file, *lines)
    return str(caught.value).replace(str(file.parent), "FOLDER")


def test_certificate_file_is_relative_to_the_configuration_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, _ = make_certificate(file.parent, "DNS:localhost")
    monkeypatch.chdir("/")
    settings = load(file, 'ca_file = "certificate.pem"').home_assistant
    assert (settings.ca_file, settings.verify_ssl) == (certificate, True)


def test_certificate_file_that_cannot_be_used_is_named_with_its_line(file: Path) -> None:
    expected = (
        "FOLDER/hassette.toml, line 3: home_assistant.ca_file must be a PEM file with at least one certificate"
        " (-----BEGIN CERTIFICATE-----), got 'FOLDER/ca.pem': "
    )
    lines = ('url = "https://home:8123"', 'ca_file = "ca.pem"')
    assert problem(file, *lines) == f"{expected}No such file or directory"
    (file.parent / "ca.pem").write_text("not a certificate")
    assert problem(file, *lines) == f"{expected}it contains no readable certificate"
    (file.parent / "ca.pem").write_text("")
    assert problem(file, *lines) == f"{expected}it contains no readable certificate"
    (file.parent / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
    assert problem(file, *lines) == f"{expected}it contains no readable certificate"
    make_certificate(file.parent, "DNS:localhost")
    assert problem(file, lines[0], 'ca_file = "key.pem"').endswith("key.pem': it contains no readable certificate")
    assert problem(file, lines[0], 'ca_file = "."').endswith("Is a directory")


def test_certificate_file_without_verification_is_a_contradiction(file: Path) -> None:
    make_certificate(file.parent, "DNS:localhost")
    assert "line 3: home_assistant.ca_file must be left out if verify_ssl is false" in problem(
        file, "verify_ssl = false", 'ca_file = "certificate.pem"'
    )
    assert problem(file, 'verify_ssl = "maybe"').endswith("verify_ssl must be true or false, got 'maybe'")


def test_supervisor_is_used_if_nothing_else_is_configured(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERVISOR_TOKEN", "of-the-supervisor")
    config = load(file, "verify_ssl = true")
    assert (config.home_assistant.url, config.require_token()) == ("http://supervisor/core", "of-the-supervisor")
    assert config.secrets == {"of-the-supervisor"}
    file.write_text("")
    assert load_config(file).require_token() == "of-the-supervisor"
    assert HassetteConfig().home_assistant.url == "http://supervisor/core"


@pytest.mark.parametrize("line", ['url = "http://ha:8123"', 'token = "mine"', 'token_file = "token.txt"'])
def test_supervisor_is_not_used_if_something_is_configured(
    file: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "token.txt").write_text("mine")
    monkeypatch.setenv("SUPERVISOR_TOKEN", "of-the-supervisor")
    config = load(file, line)
    assert config.home_assistant.url != "http://supervisor/core"
    assert "of-the-supervisor" in config.secrets  # no log may contain it, although it is not used
    if "token" in line:
        assert config.require_token() == "mine"
    else:
        with pytest.raises(ConfigError, match=r"home_assistant\.token is missing"):
            config.require_token()


def test_configuration_of_the_environment_takes_precedence_over_the_supervisor(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_TOKEN", "of-the-supervisor")
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", "mine")
    file.write_text("")
    assert load_config(file).require_token() == "mine"
    monkeypatch.setenv("SUPERVISOR_TOKEN", " ")
    monkeypatch.delenv("HASSETTE__HOME_ASSISTANT__TOKEN")
    assert load_config(file).home_assistant.token is None
