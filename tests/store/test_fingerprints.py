"""Fingerprints group failures with the same cause."""

import base64
import ipaddress
import json
import random
import string
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_store.writing.fingerprints import fingerprint
from hassette_store.writing.identifiers import normalised
from support.rows import Failure, Frame

OCCURRENCES = 500
ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _hex(source: random.Random, digits: int) -> str:
    return f"{source.getrandbits(4 * digits):0{digits}x}"


def _mac(source: random.Random, separator: str, length: int = 6) -> str:
    return separator.join(_hex(source, 2) for _ in range(length))


def _moment(source: random.Random) -> datetime:
    whole = datetime.fromtimestamp(source.randrange(0, 2_000_000_000), UTC)
    return whole + timedelta(microseconds=source.choice((0, source.randrange(1_000_000))))


def _uuid(source: random.Random) -> uuid.UUID:
    return uuid.UUID(int=source.getrandbits(128))


def _german(number: float) -> str:
    return f"{number:,.2f}".translate({ord(","): ".", ord("."): ","})


def _text(source: random.Random, alphabet: str, length: int) -> str:
    return "".join(source.choices(alphabet, k=length))


def _payload(source: random.Random, longest: int) -> dict[str, object]:
    return {name: source.choice((1, None, "on", [2.5, "x"])) for name in map(str, range(source.randrange(longest)))}


URL = "https://api.example.com"
NAMES = ("Büro", "hall", "attic_2", "Eva's desk")
IDENTIFIERS: dict[str, Callable[[random.Random], object]] = {
    "MAC address in a name": lambda r: f"node_{_mac(r, ':')}",
    "MAC address after an equals sign": lambda r: f"address={_mac(r, '-', 8)}",
    "MAC address in a path of the Bluetooth service": lambda r: f"/org/bluez/hci0/dev_{_mac(r, '_').upper()}",
    "MAC address at the end of a name": lambda r: f"shellyplus1-{_hex(r, 12)}",
    "EUI-64 in groups of four": lambda r: f"zha_{':'.join(_hex(r, 4) for _ in range(4))}",
    "Zigbee address with h at its end": lambda r: f"{_hex(r, 16).upper()}h",
    "Zigbee address with dashes": lambda r: _mac(r, "-", 8),
    "short address without 0x": lambda r: _hex(r, 4).replace("dead", "1234").replace("fade", "1234"),
    "short address in upper case without 0x": lambda r: _hex(r, 4).upper(),
    "fingerprint of a certificate": lambda r: _mac(r, ":", r.choice((20, 32))).upper(),
    "IPv6 address in a name": lambda r: f"host_{ipaddress.IPv6Address(r.getrandbits(128))}",
    "IPv6 network": lambda r: f"{ipaddress.IPv6Address(r.getrandbits(64) << 64).exploded}/{r.randrange(128)}",
    "media file": lambda r: f"/media/{r.choice(('snap', 'a'))}-{_uuid(r)}.mp4",
    "new file with a random ending": lambda r: f"/config/.storage/core.config.{_text(r, string.ascii_letters, 6)}.tmp",
    "amount of money": lambda r: f"{r.choice(('-', ''))}${r.random() * 1000:,.2f}",
    "German number": lambda r: _german(r.uniform(-1e6, 1e6)),
    "German number in a name": lambda r: f"is {_german(abs(r.uniform(-1e6, 1e6)))} €",
    "size without B": lambda r: f"{r.randrange(999)}{r.choice('kMG')}",
    "hour on a twelve-hour clock": lambda r: f"{r.randrange(1, 13)}{r.choice(('am', 'pm'))}",
    "number of JSON": lambda r: r.choice(("NaN", "Infinity", "-Infinity", "-1.5")),
    "repr of a length of time": lambda r: repr(
        timedelta(seconds=r.choice((0.5, 1, 90_000, 10**7)) * r.randrange(1, 9))
    ),
    "version of a working copy": lambda r: f"1.{r.randrange(9)}.0+g{_hex(r, 7)}",
    "ISO time with hours only": lambda r: _moment(r).astimezone(timezone(-timedelta(hours=3))).isoformat("T", "hours"),
    "time with the name of a zone": lambda r: f"{_moment(r):%Y-%m-%d %H:%M:%S} {r.choice(('CET', 'CEST', 'UTC'))}",
    "time with the name of a place": lambda r: f"{_moment(r).isoformat()}[{r.choice(('Asia/Kolkata', 'UTC'))}]",
    "time of a web server": lambda r: f"[{_moment(r):%d/%b/%Y:%H:%M:%S} +0000]",
    "German quotation marks": lambda r: f"„{r.choice(NAMES)}“",
    "German quotation marks in a book": lambda r: f"»{r.choice(NAMES)}«",
    "German single quotation marks": lambda r: f"‚{r.choice(NAMES)}‘",
    "French quotation marks": lambda r: f"« {r.choice(NAMES)} »",
    "French single quotation marks": lambda r: f"‹{r.choice(NAMES)}›",
    "Swedish quotation marks": lambda r: f"”{r.choice(NAMES)}”",
    "Japanese quotation marks": lambda r: f"「{r.choice(NAMES)}」",
    "host name": lambda r: f"{r.choice(('hub', 'my-hub-2', 'küche', 'a.b'))}.local:{r.randrange(65536)}",
    "query of a URL": lambda r: f"{URL}/v1/forecast?q={r.choice(('hall', 'k%C3%BCche', 'a+b'))}&n={r.randrange(9)}",
    "token in a URL": lambda r: f"{URL}/{base64.urlsafe_b64encode(r.randbytes(30)).decode()}",
    "user in a URL": lambda r: f"rtsp://{r.choice(('e', 'x_1'))}:{_text(r, string.ascii_letters, 9)}@10.0.0.9/stream1",
    "address of mail": lambda r: f"{r.choice(('eva', 'bob.b', 'x_1', 'A+b'))}@example{r.randrange(9)}.com",
    "long JSON": lambda r: json.dumps(_payload(r, 100)),
    "long nested JSON": lambda r: json.dumps({"a": {"b": [_payload(r, 30) for _ in range(r.randrange(4))]}}),
    "long list of numbers": lambda r: [r.random() for _ in range(r.randrange(80))],
    "MAC address with colons": lambda r: _mac(r, ":"),
    "MAC address with dashes": lambda r: _mac(r, "-").upper(),
    "MAC address without separators": lambda r: _hex(r, 12),
    "MAC address of a switch": lambda r: ".".join(_hex(r, 4) for _ in range(3)),
    "Zigbee address with colons": lambda r: _mac(r, ":", 8),
    "Zigbee address in upper case": lambda r: "0x" + _hex(r, 16).upper(),
    "Zigbee address in lower case": lambda r: "0x" + _hex(r, 16),
    "short address": lambda r: f"0x{r.getrandbits(16):04x}",
    "negative address": lambda r: hex(-r.getrandbits(32)),
    "UUID": _uuid,
    "UUID in upper case and braces": lambda r: f"{{{str(_uuid(r)).upper()}}}",
    "UUID without dashes": lambda r: _uuid(r).hex,
    "UUID as a URN": lambda r: _uuid(r).urn,
    "hash in upper case": lambda r: _hex(r, 40).upper(),
    "short hash": lambda r: _hex(r, 8),
    "IPv4 address with port": lambda r: f"{ipaddress.IPv4Address(r.getrandbits(32))}:{r.randrange(65536)}",
    "IPv6 address": lambda r: ipaddress.IPv6Address(r.getrandbits(128)),
    "compressed IPv6 address": lambda r: ipaddress.IPv6Address((0xFE80 << 112) | r.getrandbits(40)),
    "IPv6 address with zone": lambda r: f"fe80::{_hex(r, 4)}%eth{r.randrange(9)}",
    "IPv6 address with port": lambda r: f"[{ipaddress.IPv6Address(r.getrandbits(128)).exploded}]:{r.randrange(65536)}",
    "temporary file": lambda r: f"/tmp/tmp{base64.b32encode(r.randbytes(5)).decode().lower()}/state.json",
    "temporary file on a Mac": lambda r: f"/private/var/folders/{_hex(r, 2)}/{_hex(r, 9)}/T/x",
    "temporary file on Windows": lambda r: rf"C:\Users\Eva Novak\AppData\Local\Temp\tmp{_hex(r, 6)}.json",
    "new file next to its target": lambda r: f"/config/.storage/tmp{''.join(r.choices('abcxyz_019', k=8))}",
    "number with sign": lambda r: r.randrange(-1_000, 1_000),
    "number with plus": lambda r: f"{r.uniform(-1e3, 1e3):+.3f}",
    "number with exponent": lambda r: r.choice((1, -1)) * 10 ** r.uniform(-300, 300),
    "number with commas": lambda r: f"{r.randrange(10**9):,}",
    "number with points": lambda r: f"{r.randrange(10**9):,}".replace(",", "."),
    "number with spaces": lambda r: f"{r.randrange(10**9):,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
    "Arabic number": lambda r: str(r.randrange(10**6)).translate({48 + n: 0x660 + n for n in range(10)}),
    "Devanagari number": lambda r: str(r.randrange(10**6)).translate({48 + n: 0x966 + n for n in range(10)}),
    "full-width number": lambda r: str(r.randrange(10**6)).translate({48 + n: 0xFF10 + n for n in range(10)}),
    "duration with unit": lambda r: f"{r.random() * 1000:.1f}{r.choice((' ms', ' s', 'µs', ' minutes'))}",
    "size with unit": lambda r: f"{r.random() * 1000:.1f} {r.choice(('B', 'kB', 'KiB', 'MB', 'GiB'))}",
    "length of time": lambda r: timedelta(seconds=r.choice((1, 90_000, 10**7)) * r.random()),
    "length of time in hours": lambda r: r.choice(("{}h{}m", "{}m{}s", "{}s", "{}ms", "{}d{}h{}m{}s")).format(
        *(r.randrange(60) for _ in range(4))
    ),
    "ISO length of time": lambda r: r.choice(("PT{}S", "PT{}H{}M", "P{}DT{}H", "P{}W")).format(
        r.randrange(60), r.randrange(60)
    ),
    "number that may be infinite": lambda r: r.choice((r.random(), float("inf"), float("-inf"), float("nan"))),
    "version": lambda r: (
        f"2026.{r.randrange(1, 13)}.{r.randrange(9)}{r.choice(('', 'b3', '.dev12', 'rc1', '-beta.2'))}"
    ),
    "colour": lambda r: f"#{_hex(r, 6)}",
    "date": lambda r: _moment(r).date(),
    "time of day": lambda r: _moment(r).time(),
    "ISO time": lambda r: _moment(r).isoformat(),
    "ISO time in a zone": lambda r: _moment(r).astimezone(timezone(timedelta(hours=r.randrange(-11, 12)))),
    "time on a twelve-hour clock": lambda r: f"{_moment(r):%I:%M %p}",
    "time of an HTTP header": lambda r: f"{_moment(r):%a, %d %b %Y %H:%M:%S} GMT",
    "time of the C library": lambda r: f"{_moment(r):%c}",
    "seconds since 1970": lambda r: _moment(r).timestamp(),
    "ULID": lambda r: "01" + "".join(r.choices(ULID, k=24)),
    "ULID in lower case": lambda r: "01" + "".join(r.choices(ULID, k=24)).lower(),
    "serial number in base 16": lambda r: f"SN{r.randrange(10)}{_hex(r, 7).upper()}",
    "serial number with a dash": lambda r: f"SN-{_hex(r, 7).upper()}{r.randrange(10)}",
    "serial number of any letters": lambda r: f"Q{r.randrange(10)}{''.join(r.choices(ULID, k=8))}",
    "short serial number": lambda r: r.choice("KXZ") + f"{r.randrange(100):02}Q{r.randrange(100):02}",
    "serial number in mixed case": lambda r: f"{r.randrange(9)}{r.choice('xYz')}{r.randrange(9)}{_hex(r, 7)}",
    "token in base 64": lambda r: base64.b64encode(r.randbytes(32)).decode(),
    "URL-safe token in base 64": lambda r: base64.urlsafe_b64encode(r.randbytes(30)).decode(),
    "web token": lambda r: ".".join(base64.urlsafe_b64encode(r.randbytes(30)).decode() for _ in range(3)),
    "address of an object": lambda r: f"<Lamp object at {hex(r.getrandbits(47))}>",
    "text": lambda r: repr("".join(r.choices("ab 'é\\\"", k=8))),
    "bytes": lambda r: r.randbytes(12),
    "bytes in pairs": lambda r: r.randbytes(r.randrange(4, 12)).hex(" "),
    "list of numbers": lambda r: [r.randrange(999) for _ in range(r.randrange(1, 20))],
    "list of texts": lambda r: [r.choice(("on", "off")) for _ in range(r.randrange(1, 20))],
    "attributes": lambda r: {name: r.random() for name in r.sample(("x", "y", "hs", "ct"), k=r.randrange(1, 4))},
    "nested attributes": lambda r: {
        "rgb_color": [r.randrange(256) for _ in range(r.randrange(4))],
        **{name: r.choice((True, None, "on", 2.5, {"min": -1})) for name in r.sample(("x", "y", "z"), k=2)},
    },
    "tuple": lambda r: tuple(r.choice((1, "a", None)) for _ in range(r.randrange(2, 5))),
    "entity id": lambda r: f"light.kitchen_{r.randrange(9)}",
    "entity id with an address": lambda r: f"sensor.0x{_hex(r, 16)}_temperature",
    "entity id with a number": lambda r: f"switch.{r.randrange(10**6)}",
}


TEMPLATES = [
    "({}) lost, retry in {} s",
    *(pytest.param(one, marks=pytest.mark.long) for one in ("{}", "no answer from {}", "device {}: no answer")),
]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_500_occurrences_of_one_error_form_one_group(kind: str, template: str) -> None:
    source = random.Random(f"{kind} {template}")
    identifier = IDENTIFIERS[kind]
    messages = [template.format(identifier(source), source.randrange(100)) for _ in range(OCCURRENCES)]
    assert len({fingerprint(Failure(message=message)) for message in messages}) == 1, set(map(normalised, messages))


def test_beginnings_of_json_texts_form_one_group() -> None:
    source = random.Random("beginnings")
    texts = [json.dumps({"a": [_payload(source, 9)] * 20}) for _ in range(OCCURRENCES)]
    messages = [f"bad answer: {text[: source.randrange(9, 150)]}" for text in texts]
    assert len({fingerprint(Failure(message=message)) for message in messages}) == 1, set(map(normalised, messages))


@pytest.mark.parametrize("part", ["'{}'", "{{'x': [{}]}}", "[1, {}]"])
def test_length_of_a_variable_part_does_not_change_the_fingerprint(part: str) -> None:
    values = ["7", ", ".join("7" * 300), ", ".join("7" * 600)]
    messages = [f"bad answer {part.format(value)} from the hub" for value in values]
    assert {normalised(message) for message in messages} == {"bad answer # from the hub"}


@pytest.mark.parametrize(
    "message",
    [
        "the facade of the decade was defaced",
        "a bad bee, a dead cab and a faded bed",
        "la façade du café décadé",
        "can't read, isn't there, the users' lamps",
        "ConfigEntryAuthFailed in HTTPSConnectionPool",
        "motion_light_controller_restart is not allowed-in-this-mode",
        "May and March are months, and the Sun is not Monday",
        "std::bad_alloc",
        "no info on PIR, INFO, nanny, infinite and minus-inf",
        "no answer: retry",
        "a bead, a deed and a FACE were added; the beef was faded",
        "see »Settings » Apps, or Home › Lamps",
        "what? a=b, and x ? y : z",
        "the add-on is one-off, so-called and up-to-date",
        "PDF, SSD, ABC and DEF",
    ],
)
def test_words_and_names_are_not_replaced(message: str) -> None:
    assert normalised(message) == message


@given(st.text(alphabet=st.sampled_from("0aAfFxX:.-_+/=#'\"\\ tmp١é\n"), max_size=500))
def test_any_text_is_normalised(message: str) -> None:
    assert len(normalised(message)) <= 200


def test_recursion_forms_one_group_wherever_it_ends() -> None:
    first, second = Frame("/config/apps/hall.py", 3, "even"), Frame("/config/apps/hall.py", 7, "odd")
    even = Failure(type="RecursionError", frames=(first, second) * 16)
    assert fingerprint(even) == fingerprint(even._replace(frames=(first, second) * 15 + (first,)))


def test_message_of_a_recursion_does_not_count() -> None:
    ends = ("", " in comparison", " while calling a Python object")
    messages = [f"maximum recursion depth exceeded{end}" for end in ends]
    assert len({fingerprint(Failure(type="RecursionError", message=message)) for message in messages}) == 1


def _group_of(*inner: Failure) -> Failure:
    ending = "s" if len(inner) > 1 else ""
    message = f"unhandled errors in a TaskGroup ({len(inner)} sub-exception{ending})"
    return Failure(type="ExceptionGroup", message=message, group=inner)


def test_task_groups_with_different_failures_form_different_groups() -> None:
    timeout, missing = Failure(type="TimeoutError", message=""), Failure(type="KeyError", message="'color_temp'")
    groups = (_group_of(timeout), _group_of(missing), _group_of(timeout, missing))
    assert len({fingerprint(group) for group in groups}) == 3


def test_number_and_order_of_the_failures_of_a_task_group_do_not_count() -> None:
    timeout, missing = Failure(type="TimeoutError", message="after 3 s"), Failure(type="KeyError", message="'ct'")
    groups = (_group_of(timeout, missing), _group_of(missing, timeout._replace(message="after 5 s"), timeout))
    assert len({fingerprint(group) for group in groups}) == 1
    assert fingerprint(_group_of(timeout)) == fingerprint(_group_of(timeout, timeout))


def test_files_with_the_same_name_in_two_directories_form_two_groups() -> None:
    frames = [(Frame(f"/config/apps/{app}/main.py", 12, "on_motion"),) for app in ("hall", "bath")]
    assert len({fingerprint(Failure(frames=frame)) for frame in frames}) == 2


def test_numbered_names_of_compiled_code_form_one_group() -> None:
    frames = [(Frame(f"<template {number}>", 1, "f"),) for number in range(3)]
    assert len({fingerprint(Failure(frames=frame)) for frame in frames}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("light.hall is away", "light.attic_2 is away"),
        ("after 3 s", "after 11.5 s"),
        ("no key 'a'", "no key 'b c'"),
        ('no key "a"', 'no key "b"'),
        ("object at 0x7f31aa", "object at 0x11"),
        ("context 01HZX3ABCDEFGHJKMNPQRSTVWX", "context 01HZX4ABCDEFGHJKMNPQRSTVWX"),
        ("first line\nsecond", "first line\nanother"),
    ],
)
def test_variable_parts_of_a_message_do_not_change_the_fingerprint(one: str, other: str) -> None:
    assert fingerprint(Failure(message=one)) == fingerprint(Failure(message=other))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "timeout"},
        {"type": "ValueError"},
        {"message": "modulo by zero"},
        {"frames": ()},
    ],
    ids=str,
)
def test_kind_type_frames_and_message_change_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(Failure()) != fingerprint(Failure()._replace(**change))


def test_line_numbers_and_outer_directories_do_not_change_the_fingerprint() -> None:
    frames = (Frame("/config/apps/hall.py", 12, "f"), Frame("/config/apps/lamp.py", 5, "g"))
    moved = (Frame("/srv/apps/hall.py", 99, "f"), Frame("C:\\apps\\lamp.py", 6, "g"))
    assert fingerprint(Failure(frames=frames)) == fingerprint(Failure(frames=moved))


def test_only_the_innermost_frames_of_app_code_count() -> None:
    own = (Frame("/config/apps/hall.py", 12, "f"),)
    library = (
        Frame("/usr/lib/python3.11/json/decoder.py", 355, "raw_decode"),
        Frame("/srv/.venv/lib/python3.12/site-packages/aiohttp/client.py", 5, "get"),
        Frame("<frozen importlib._bootstrap>", 5, "load"),
    )
    outer = tuple(Frame("/config/apps/main.py", n, f"outer_{n}") for n in range(3))
    assert fingerprint(Failure(frames=own)) == fingerprint(Failure(frames=own + library))
    five = tuple(Frame("/config/apps/deep.py", n, f"deep_{n}") for n in range(5))
    assert fingerprint(Failure(frames=outer + five)) == fingerprint(Failure(frames=five))
    assert fingerprint(Failure(frames=library)) != fingerprint(Failure(frames=library[:1]))


def test_fingerprint_contains_its_version() -> None:
    assert fingerprint(Failure()).startswith("1:")


def test_message_is_normalised_as_documented() -> None:
    assert normalised("light.hall: 3 of 'x' at 0xff, deadbeef01 failed") == "# of # at # failed"
