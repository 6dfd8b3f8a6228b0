"""Secrets in files and variables of the environment: used, strict, and in no message."""

from __future__ import annotations

import contextlib
import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_service.check import check
from config_service.load import load
from config_service.native.document import Around, read
from config_service.native.environment import expanded
from config_service.native.misplaced import Misplaced
from config_service.native.writer import toml
from config_service.problems import ConfigError, Problem
from vipbus.contracts import RealServer, VirtualServer, VrrpInstance
from vipbus.runtime.secrets import Secrets

KEY = "hex:" + "0123456789abcdef" * 4
PASSWORD = """\
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
auth_pass = { file = "pass" }
"""
KEYED = PASSWORD.replace(
    'auth_pass = { file = "pass" }',
    'hmac = { keys = [{ id = 1, secret = { file = "pass" } }], active_key = 1 }',
)


def found(text: str, directory: Path = Path(), **environment: str) -> VrrpInstance:
    around = Around(environment, directory)
    (one,) = (
        one for one in read(text, "v.toml", "r1", str, [], around=around) if isinstance(one, VrrpInstance)
    )
    return one


def refused(text: str, directory: Path = Path(), **environment: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        found(text, directory, **environment)
    (problem,) = caught.value.problems
    return problem


def warned(text: str, directory: Path) -> list[str]:
    warnings: list[Problem] = []
    read(text, "v.toml", "r1", str, warnings, around=Around({}, directory))
    return [str(one) for one in warnings]


def write(path: Path, body: bytes, mode: int = 0o600) -> None:
    path.write_bytes(body)
    path.chmod(mode)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_file_holds_a_secret(end: bytes, tmp_path: Path) -> None:
    write(tmp_path / "pass", b"hunter2" + end)
    assert found(PASSWORD, tmp_path).auth_pass == "hunter2"
    write(tmp_path / "pass", KEY.encode() + end)
    hmac = found(KEYED, tmp_path).hmac
    assert hmac is not None
    assert hmac.keys[0].secret == KEY
    absolute = PASSWORD.replace('"pass"', f'"{tmp_path}/pass"')
    assert found(absolute).auth_pass == KEY


def test_a_changed_file_is_another_secret(tmp_path: Path) -> None:
    document = tmp_path / "vipbus.toml"
    document.write_text(PASSWORD)
    secrets = Secrets.in_memory()
    references = []
    for body in (b"hunter2", b"hunter3", b"hunter2"):
        write(tmp_path / "pass", body)
        references.append(next(iter(load(document, "r1", secrets).references)))
    assert references[0] == references[2] != references[1]
    assert "hunter" not in str(references)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "'pass': there is no such file; make it, with mode 0600"),
        (b"", "'pass': it is empty; write the secret alone into it"),
        (b"\n", "'pass': it is empty; write the secret alone into it"),
        (b"hunter2\nhunter3\n", "'pass': it has more than one line; write the secret alone into it"),
        (b"hunter2\0", "'pass': it has more than one line"),
        (b"\xffhunter2", "'pass': it is no text in UTF-8; write one"),
        (b"hunter2" * 1000, "'pass': it is larger than 4096 bytes; is this a secret?"),
    ],
)
def test_a_file_that_holds_none_is_refused(body: bytes | None, said: str, tmp_path: Path) -> None:
    if body is not None:
        write(tmp_path / "pass", body)
    problem = refused(PASSWORD, tmp_path)
    assert said in problem.text
    assert (problem.line, problem.column, problem.excerpt) == (6, 22, ())
    assert "hunter" not in str(problem)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "pass").mkdir()
    assert "it is no regular file" in refused(PASSWORD, tmp_path).text
    (tmp_path / "pass").rmdir()
    os.mkfifo(tmp_path / "pass")
    assert "it is no regular file" in refused(PASSWORD, tmp_path).text
    (tmp_path / "pass").unlink()
    (tmp_path / "pass").symlink_to("pass")
    assert "it cannot be read; check it" in refused(PASSWORD, tmp_path).text
    assert "cannot be read" in refused(PASSWORD.replace('"pass"', '"a\\u0000b"'), tmp_path).text
    assert "cannot be read" in refused(PASSWORD.replace('"pass"', f'"{"x" * 5000}"'), tmp_path).text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{ fil = 'pass' }", "auth_pass.fil: unknown key 'fil'; did you mean 'file'?"),
        ("{ file = 7 }", "there is no path; write { file ="),
        ("{ file = '' }", "there is no path; write { file ="),
        ("{}", "there is no path; write { file ="),
        ("7", "Expected `str | null`, got `int`"),
        ("['hunter2']", "Expected `str | null`, got `array`"),
        ("''", "the password is empty; write one of 1 to 8 bytes"),
    ],
)
def test_what_is_no_secret_is_refused(said: str, why: str) -> None:
    problem = refused(PASSWORD.replace('{ file = "pass" }', said))
    assert why in problem.text
    assert problem.excerpt == ()
    assert "hunter" not in str(problem)


def test_what_will_not_do_as_it_is_meant_is_told(tmp_path: Path) -> None:
    write(tmp_path / "pass", b"hunter22222", stat.S_IRUSR | stat.S_IROTH)
    (open_to_all, long) = warned(PASSWORD, tmp_path)
    assert open_to_all.endswith("'pass' can be read by everyone on this host; chmod 600 it")
    assert long.endswith("auth_pass: is longer than 8 bytes; the others do not count")
    write(tmp_path / "pass", b"hunter2")
    (idle,) = warned(PASSWORD.replace("auth_pass", "version = 3\nauth_pass"), tmp_path)
    assert "has no effect here: version 3 has no passwords" in idle
    assert found(PASSWORD.replace("auth_pass", "version = 3\nauth_pass"), tmp_path).auth_pass is None


def test_a_key_is_looked_at_and_not_repeated(tmp_path: Path) -> None:
    for key in (b"hex:0g", b"hex:00", b"hunter2"):
        write(tmp_path / "pass", key)
        problem = refused(KEYED, tmp_path)
        assert "hunter" not in str(problem)
        assert "0g" not in str(problem)
    write(tmp_path / "pass", KEY.encode())
    assert "there is no key 7" in refused(KEYED.replace("active_key = 1", "active_key = 7"), tmp_path).text


@pytest.mark.parametrize(
    "damage",
    [
        "auth_pass = [",
        'auth_pass = """\nhunter2\n',
        "hmac = {keys = [{secret = 'hunter2'",
        "auth_pass = hunter2",
    ],
)
def test_no_toml_shows_no_secret(damage: str) -> None:
    text = PASSWORD.replace('auth_pass = { file = "pass" }', f'auth_pass = "hunter2"\n{damage} \x01')
    problem = refused(text)
    assert "this is no TOML" in problem.text
    assert "hunter" not in f"{problem} {problem.excerpt}"


def test_a_check_shows_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "vipbus.toml"
    document.write_text(PASSWORD.replace('{ file = "pass" }', '"hunter2" # hunter2') + 'interfac = "x"\n')
    assert check([str(document), "--router", "r1"]) == 2
    said = capsys.readouterr()
    assert ":7:1: vrrp_instance[0].interfac: unknown key 'interfac'; did you mean 'interface'?" in said.err
    assert said.err.splitlines()[1:] == ['    interfac = "x"', "    ^^^^^^^^"]
    document.write_text(PASSWORD.replace('{ file = "pass" }', '"hunter2"'))
    assert check([str(document), "--router", "r1", "--print-entities"]) == 0
    assert "hunter" not in str(capsys.readouterr())


VARIABLES = """\
[[vrrp_instance]]
name = "VI_${SITE}"
interface = "${IF:-eth0}"
virtual_router_id = "${VRID}"
nopreempt = "${STAY:-false}"
advert_int = "${EVERY:-2s}"
virtual_ipaddress = ["${VIP}/24"]
auth_pass = "${PASS}"

[[virtual_server]]
address = "${VIP}:${PORT:-80}"
quorum = "${QUORUM:-1}"
real_server = [{ address = "10.0.0.1", port = "${REAL:-8080}", weight = "${W:-3}" }]
check = [{ kind = "http", regex = "^a$|$${x}", headers = { A = "$" } }]
"""
GIVEN = {"SITE": "ams", "VRID": "51", "VIP": "192.0.2.10", "PASS": "hunter2"}


def test_variables_become_what_is_wanted() -> None:
    entities = read(VARIABLES, "v.toml", "r1", str, [], around=Around(GIVEN))
    (one,) = (one for one in entities if isinstance(one, VrrpInstance))
    assert (one.name, one.interface, one.virtual_router_id) == ("VI_ams", "eth0", 51)
    assert (one.nopreempt, one.advert_int, one.auth_pass) == (False, 2.0, "hunter2")
    assert type(one.name) is str
    (virtual,) = (one for one in entities if isinstance(one, VirtualServer))
    assert (virtual.words, virtual.instance, virtual.quorum) == ("192.0.2.10:80 TCP", "VI_ams", 1)
    (real,) = (one for one in entities if isinstance(one, RealServer))
    assert (real.port, real.weight) == (8080, 3)
    assert real.checks[0].requests[0].regex == "^a$|${x}"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("${NOPE}", {}, "the environment has no 'NOPE'; set it, or write ${NOPE:-TEXT}"),
        ("${}", {}, '"${" begins a variable, ${NAME}; write "$${" for the signs themselves'),
        ("${9}", {}, '"${" begins a variable'),
        ("${A", {}, '"${" begins a variable'),
        ("${A:+x}", {}, '"${" begins a variable'),
        ("${A-x}", {}, '"${" begins a variable'),
        ("${A:-${B}}", {"A": "a"}, '"${" begins a variable'),
        ("${A}", {"A": "x\ny"}, "'A' of the environment has control characters; correct it"),
        ("${A}", {"A": "x\x1b[2J"}, "'A' of the environment has control characters; correct it"),
        ("${A}", {"A": "secret/secret"}, "is no network interface's name"),
        ("${A}", {"A": ""}, "is no network interface's name"),
    ],
)
def test_a_variable_that_will_not_do_is_refused(text: str, given: dict[str, str], said: str) -> None:
    problem = refused(VARIABLES.replace("${IF:-eth0}", text), **{**GIVEN, **given})
    assert said in problem.text
    assert problem.line == 3
    for value in given.values():
        assert len(value) < 2 or value not in str(problem)


def test_what_a_variable_holds_is_in_no_message() -> None:
    for key, value in (("VRID", "topsecret"), ("VIP", "top.secret.value"), ("SITE", "topsecret\u200b")):
        problem = refused(VARIABLES, **{**GIVEN, key: value})
        assert "secret" not in f"{problem} {problem.excerpt}"
    problem = refused(VARIABLES.replace('"${VRID}"', '"5${VRID}"'), **GIVEN)
    assert "Expected `int`, got `str`" in problem.text


def test_a_variable_of_another_router_is_its_own_matter() -> None:
    text = VARIABLES + '[router.r1]\n[router.r2.vrrp_instance."VI_ams"]\ninterface = "${ELSEWHERE}"\n'
    assert found(text, **GIVEN).interface == "eth0"


@given(st.text() | st.text("${}A:-x"))
def test_any_text_is_expanded_or_refused(text: str) -> None:
    if "${" not in text:
        assert expanded(text, "x", {}) == text
        return
    with contextlib.suppress(Misplaced):  # and nothing else
        expanded(text, "x", {})


@given(st.text())
def test_what_is_written_is_read_as_it_was(text: str) -> None:
    safe = text.encode("utf-8", "replace").decode()
    assert expanded(tomllib.loads(f"x = {toml.inline(safe)}")["x"], "x", {}) == safe
