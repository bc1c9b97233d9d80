"""Which keys sound secret, and that both who hides and who looks for secrets go by the same rule."""

import pytest

from hassette_core.secrets import HIDDEN, secrets_in, sounds_secret, without_secrets


@pytest.mark.parametrize(
    "key",
    [
        *["code", "alarm_code", "alarm_codes", "Password", "wifi-password", "PIN", "client_secret", "token"],
        *["accessToken", "X-Api-Key", "apiKey", "APIKey", "my.api.key", "HTTPToken", "ACCESS_TOKEN", "credentials"],
        *["headers", "Authorization", "passphrase", "private key"],
    ],
)
def test_a_key_that_sounds_secret_does_so_however_it_is_written(key: str) -> None:
    assert sounds_secret(key)
    assert without_secrets({key: "hunter2"}) == {key: HIDDEN}
    assert list(secrets_in({"deep": [{key: "hunter2"}]})) == ["hunter2"]


@pytest.mark.parametrize(
    "key", ["zip_code_of_area", "tokens_left", "spin", "encode", "barcode", "keyboard", "", 7, None]
)
def test_other_keys_hide_nothing(key: object) -> None:
    assert not sounds_secret(key)
    assert without_secrets({key: "a value"}) == {key: "a value"}
    assert list(secrets_in({key: "a value"})) == []


def test_a_code_that_is_a_number_in_toml_is_looked_for_as_text() -> None:
    data = {"alarm_code": 12345678, "pin": 1234, "secret": True, "deep": {"headers": {"X-Scope": 987654}}}
    assert list(secrets_in(data)) == ["12345678", "987654"]
