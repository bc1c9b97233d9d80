"""Keys that name secrets."""

import pytest

from hassette_core.redaction import MASK, find_secrets, is_secret_key, mask_secret_values


@pytest.mark.parametrize(
    "key",
    [
        *["code", "alarm_code", "alarm_codes", "Password", "wifi-password", "PIN", "client_secret", "token"],
        *["accessToken", "X-Api-Key", "apiKey", "APIKey", "my.api.key", "HTTPToken", "ACCESS_TOKEN", "credentials"],
        *["headers", "Authorization", "passphrase", "private key"],
    ],
)
def test_secret_key_is_recognised_in_any_spelling(key: str) -> None:
    assert is_secret_key(key)
    assert mask_secret_values({key: "hunter2"}) == {key: MASK}
    assert list(find_secrets({"deep": [{key: "hunter2"}]})) == ["hunter2"]


@pytest.mark.parametrize(
    "key", ["zip_code_of_area", "tokens_left", "spin", "encode", "barcode", "keyboard", "", 7, None]
)
def test_values_of_other_keys_are_not_masked(key: object) -> None:
    assert not is_secret_key(key)
    assert mask_secret_values({key: "a value"}) == {key: "a value"}
    assert list(find_secrets({key: "a value"})) == []


def test_secret_that_is_a_number_in_toml_is_found_as_text() -> None:
    data = {"alarm_code": 12345678, "pin": 1234, "secret": True, "deep": {"headers": {"X-Scope": 987654}}}
    assert list(find_secrets(data)) == ["12345678", "987654"]


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("rtsp://admin:hunter22@camera/stream?a=1", {"hunter22"}),
        ("watch https://:hunter%2022@host:8443 and http://eva@host", {"hunter%2022", "hunter 22"}),
        ("http://eva:short@host", set()),
        ("http://host:8123/a:b@c", set()),
        ("12:30:45 a@b", set()),
    ],
)
def test_password_in_an_address_is_a_secret(address: str, secrets: set[str]) -> None:
    assert set(find_secrets({"stream": [address]})) == secrets
