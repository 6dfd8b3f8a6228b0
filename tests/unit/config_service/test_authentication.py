"""Passwords and keys: what counts, what is refused, and that no message ever repeats one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from config_service.keepalived.compile import compile_text
from config_service.problems import ConfigError
from config_service.revise import desire
from tests.unit.config_service.support import (
    OUTSIDE,
    SECRETS,
    compiled,
    errors,
    instance,
    the_instance,
    warnings,
)
from vipbus.contracts import Hmac, HmacKey

KEY = "hex:" + "0a" * 32
WORD = "Geheim"
"""Stands in every password here."""


def key(number: int, value: str) -> HmacKey:
    return HmacKey(id=number, secret=SECRETS.reference(value))


def hmac(*lines: str) -> str:
    return instance("auth_hmac {", *lines, "}")


@pytest.mark.parametrize("password", ["Geheim", "'Geheim 1'", "Geheim11", "Geheim!1".replace("!", "\\!")])
def test_version_2_has_a_password(password: str) -> None:
    found = the_instance(instance(f"authentication {{ auth_type PASS\nauth_pass {password} }}"))
    assert found.auth_pass == SECRETS.reference(password.strip("'").replace("\\", ""))
    assert WORD.encode() not in msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("lines", "warning"),
    [
        (
            ("version 3", "authentication { auth_type PASS", "auth_pass Geheim }"),
            "3: authentication has no effect",
        ),
        (
            ("authentication { auth_pass Geheim }",),
            "2: authentication has no effect here: there is no auth_type",
        ),
        (
            ("authentication { auth_type PASS }",),
            "2: authentication has no effect here: there is no auth_pass",
        ),
        (("authentication { }",), "2: authentication has no effect here: there is no auth_pass"),
        (
            (
                f"auth_hmac {{ key 1 {KEY}",
                "active_key 1 }",
                "authentication { auth_type PASS",
                "auth_pass Geheim }",
            ),
            "4: authentication has no effect here: auth_hmac takes its place",
        ),
    ],
)
def test_a_password_that_does_not_count(lines: tuple[str, ...], warning: str) -> None:
    (said,) = warnings(instance(*lines))
    assert said.startswith(warning)
    assert the_instance(instance(*lines)).auth_pass is None


def test_eight_bytes_count() -> None:
    (said,) = warnings(instance("authentication { auth_type PASS", "auth_pass Geheimnis }"))
    assert said == "3: auth_pass is longer than 8 bytes; the others do not count"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((f"key 1 {KEY}", "active_key 1"), Hmac(keys=(key(1, KEY),), active_key=1, time_window=5.0)),
        (
            (f"key 7 {KEY.upper().replace('HEX', 'hex')}", "active_key 7"),
            Hmac(keys=(key(7, KEY),), active_key=7, time_window=5.0),
        ),
        (
            (f"key 1 {KEY}", f"key 255 {'k' * 64}", "active_key 255"),
            Hmac(keys=(key(1, KEY), key(255, "k" * 64)), active_key=255, time_window=5.0),
        ),
        (
            (f"key 1 {KEY}", "active_key 1", "anti_replay monotonic"),
            Hmac(keys=(key(1, KEY),), active_key=1, time_window=0.0),
        ),
        (
            (f"key 1 {KEY}", "active_key 1", "anti_replay time", "time_window 300", "mode enforce"),
            Hmac(keys=(key(1, KEY),), active_key=1, time_window=300.0),
        ),
        (
            (f"key 1 {KEY}", "active_key 1", "mode permissive"),
            Hmac(keys=(key(1, KEY),), active_key=1, time_window=5.0, mode="permissive"),
        ),
    ],
)
def test_keys(lines: tuple[str, ...], expected: Hmac) -> None:
    assert the_instance(hmac(*lines)).hmac == expected


def test_the_window_is_three_intervals_at_least() -> None:
    found = the_instance(instance("advert_int 4", f"auth_hmac {{ key 1 {KEY}", "active_key 1 }"))
    assert found.hmac is not None
    assert found.hmac.time_window == 12.0


def test_a_key_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for body in (KEY, f"{KEY}\n", "k" * 40 + "\r\n"):
        path.write_text(body)
        found = the_instance(hmac(f"key 1 file:{path}", "active_key 1"))
        assert found.hmac is not None
        assert found.hmac.keys == (key(1, body.strip()),)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((), "2: auth_hmac has no key; add key 1 hex:DIGITS"),
        ((f"key 1 {KEY}",), "2: auth_hmac has no active_key; name the key that signs"),
        ((f"key 1 {KEY}", "active_key 2"), "4: auth_hmac has no key 2; add it"),
        ((f"key 0 {KEY}", "active_key 1"), "3: key: what follows it is no whole number from 1 to 255"),
        ((f"key 1 {KEY}", f"key 1 {KEY}", "active_key 1"), "4: key: key 1 is on line 3 already"),
        (("key 1 hex:Geheim", "active_key 1"), "3: key 1: after hex: there must be hexadecimal digits"),
        (("key 1 hex:0a0", "active_key 1"), "3: key 1: after hex: there must be hexadecimal digits"),
        (("key 1 hex:0a0b", "active_key 1"), "3: key 1: a key has 32 to 64 bytes and this one 2"),
        (("key 1 Geheim", "active_key 1"), "3: key 1: a key has 32 to 64 bytes and this one 6"),
        ((f"key 1 {'Geheim' * 11}", "active_key 1"), "3: key 1: a key has 32 to 64 bytes and this one 66"),
        (
            ("key 1 file:/none/key", "active_key 1"),
            "3: key 1: the key's file '/none/key' cannot be read (No such",
        ),
        (("key 1 file:/", "active_key 1"), "3: key 1: the key's file '/' cannot be read"),
        (("key 1 file:/dev/zero", "active_key 1"), "3: key 1: a key has 32 to 64 bytes and this one 4096"),
        (
            (f"key 1 {KEY}", "active_key 1", "mode receive-only"),
            "5: mode: receive-only is not supported by vipbus",
        ),
        (
            (f"key 1 {KEY}", "active_key 1", "mode open"),
            "5: mode: what follows it is none of enforce permissive",
        ),
        (
            (f"key 1 {KEY}", "active_key 1", "time_window 301"),
            "5: time_window: what follows it is no whole number from 1",
        ),
        (
            (f"key 1 {KEY}", "active_key 1", "anti_replay off"),
            "5: anti_replay: what follows it is none of time monotonic",
        ),
    ],
)
def test_keys_that_are_none(lines: tuple[str, ...], error: str) -> None:
    said = errors(hmac(*lines))
    assert any(line.startswith(error) for line in said)


def test_a_key_file_without_a_text(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff" * 32)
    (said,) = errors(hmac(f"key 1 file:{tmp_path}/key", "active_key 1"))
    assert said.startswith("3: key 1: the key's file '/")
    assert said.endswith(" holds no text; write hex:DIGITS into it")


def _places() -> list[str]:
    """Files with a password in every wrong place that a hurried hand may put it."""
    block = ["authentication {", "auth_type PASS", "auth_pass Geheim", "}"]
    made = [
        ["authentication {", "auth_type PASS", "auth_pass", "Geheim", "}"],
        ["authentication {", "auth_type Geheim", "auth_pass Geheim", "}"],
        ["authentication {", "auth_pass Geheim Geheim", "}"],
        ["authentication {", "auth_pass Geheim", "auth_pass Geheim", "}"],
        ["authentication {", "auth_pass Geheim {", "}", "}"],
        ["authentication {", "auth_pass Geheim {", "}"],
        ["authentication {", "auth_pass $Geheim", "}"],
        ["authentication {", 'auth_pass "a$Geheim', "}"],
        ["authentication {", "auth_pass 'Geheim", "}"],
        ["authentication {", "auth_pass ~SEQ(Geheim", "}"],
        ["authentication {", "auth_pass Geheim\\0", "}"],
        ["authentication {", "auth_passs Geheim", "}"],
        ["authentication {", "Geheim auth_pass", "}"],
        ["authentication { Geheim { } }"],
        ["auth_pass Geheim"],
        ["auth_hmac {", "key 1 Geheim", "active_key 1", "}"],
        ["auth_hmac {", "key Geheim", "active_key 1", "}"],
        ["auth_hmac {", "key Geheim Geheim", "active_key Geheim", "mode Geheim", "time_window Geheim", "}"],
        ["auth_hmac {", "key 1 hex:Geheim", "active_key 1", "}"],
        ["auth_hmac {", "key 1 Geheim Geheim", "active_key 1", "}"],
        ["auth_hmac {", "key 1 $Geheim", "active_key 1", "}"],
        ["auth_hmac {", "key 1 Geheim {", "active_key 1", "}"],
        ["auth_hmac {", "key 1", "Geheim", "active_key 1", "}"],
        ["version 3", *block],
        ["strict_mode", *block],
        block,
    ]
    made += [block[:cut] for cut in range(1, 4)]
    return [instance(*lines) for lines in made] + ["\n".join(["vrrp_instance A {", *block])]


@pytest.mark.parametrize("text", _places())
def test_no_message_repeats_a_password(text: str) -> None:
    try:
        found = compile_text(text, "x.conf", "r1", "h", OUTSIDE)
    except ConfigError as error:
        said = "\n".join(error.lines())
    else:
        said = "\n".join(str(one) for one in found.warnings) + str(desire(found, "start"))
    assert WORD not in said


def test_the_references_of_a_file() -> None:
    text = instance("authentication { auth_type PASS", "auth_pass Geheim }")
    text += instance(
        "interface eth1",
        "virtual_ipaddress { 10.9.0.2 }",
        f"auth_hmac {{ key 1 {KEY}",
        f"key 2 {'k' * 32}",
        "active_key 2 }",
        name="B",
    )
    assert compiled(text).references == {SECRETS.reference(one) for one in ("Geheim", KEY, "k" * 32)}
    assert compiled(instance()).references == frozenset()
