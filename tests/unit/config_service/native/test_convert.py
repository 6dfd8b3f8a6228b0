"""``convert``: every keepalived.conf of the tests means the same afterwards, and reads as a person writes."""

from __future__ import annotations

import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from config_service.convert import convert
from config_service.keepalived.compile import Configuration
from config_service.load import load
from config_service.native.document import Around, read
from config_service.native.schema import schema
from config_service.native.writer.document import write_document
from config_service.schema import text as schema_text
from tests.unit.config_service.native.documents import validator
from vipbus.contracts import Entity, Proxy, RealServer
from vipbus.runtime.secrets import Secrets

UNIT = Path(__file__).parents[1]
CORPUS = Path(__file__).parents[3] / "corpus"
FILES = sorted((*UNIT.glob("*.conf"), *UNIT.glob("examples/*.conf"), *CORPUS.glob("*.conf")))
VALID = validator(schema())

LB_A = """\
global_defs {
    vrrp_garp_master_refresh 60
}
vrrp_script web {
    script "/usr/bin/curl -fsS http://127.0.0.1/"
    interval 2
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    unicast_src_ip 192.0.2.2
    unicast_peer { 192.0.2.3 }
    authentication {
        auth_type PASS
        auth_pass hunter2
    }
    virtual_ipaddress { 192.0.2.10/24 }
    track_script { web }
}
virtual_server 192.0.2.10 443 {
    protocol TCP
    lvs_sched wrr
    lvs_method DR
    delay_loop 5
    real_server 10.1.0.21 443 { weight 3
        TCP_CHECK { connect_timeout 1 } }
    real_server 10.1.0.22 443 { TCP_CHECK { connect_timeout 1 } }
}
"""
LB_B = (
    LB_A.replace("state MASTER", "state BACKUP")
    .replace("priority 150", "priority 100")
    .replace("eth0", "ens3")
    .replace("192.0.2.3 }", "192.0.2.99 }")
    .replace("192.0.2.2\n", "192.0.2.3\n")
    .replace("192.0.2.99", "192.0.2.2")
)
BOTH = """\
[[vrrp_script]]
name = "web"
command = "/usr/bin/curl -fsS http://127.0.0.1/"
interval = "2s"

[[vrrp_instance]]
name = "VI_1"
virtual_router_id = 51
virtual_ipaddress = ["192.0.2.10/24"]
garp = { master_refresh = "1m" }
tracks = [{ kind = "script", name = "web" }]
auth_pass = { file = "secrets/vi_1.auth_pass" }
unicast = true

[[virtual_server]]
address = "192.0.2.10:443"
scheduler = "wrr"
forwarding = "DR"
real_server = [
    { address = "10.1.0.21", weight = 3 },
    { address = "10.1.0.22" },
]

[[virtual_server.check]]
kind = "tcp"
interval = "5s"
timeout = "1s"

[router.lb-a]
address = "192.0.2.2"

[router.lb-a.vrrp_instance.VI_1]
interface = "eth0"
priority = 150
state = "MASTER"

[router.lb-b]
address = "192.0.2.3"

[router.lb-b.vrrp_instance.VI_1]
interface = "ens3"
"""


def means_the_same(routers: Mapping[str, Configuration], secrets: Secrets) -> str:
    """Convert, read again, compare."""
    made = write_document(routers, "secrets", secrets.value)
    values = {f"file:{one.path}": one.value for one in made.secrets}
    for router, before in routers.items():
        references = {path: secrets.reference(value) for path, value in values.items()}
        after = read(made.text, "v.toml", router, references.__getitem__, around=Around(secret_files=False))
        assert by_key(after) == by_key(before.entities)
    assert [*VALID.iter_errors(tomllib.loads(made.text))] == []
    return made.text


def by_key(entities: tuple[Entity, ...]) -> dict[str, Entity]:
    return {each.key: each for each in entities}


def loaded(path: Path, secrets: Secrets, router: str = "r1") -> Configuration:
    return load(path, router, secrets)


CANNOT_BE_SAID: Final = {"same-address-twice"}
"""An address that two instances claim: keepalived runs with it; in vipbus.toml it is an error."""


@pytest.mark.parametrize(
    "path", [each for each in FILES if each.stem not in CANNOT_BE_SAID], ids=lambda path: path.stem
)
def test_a_file_means_the_same_afterwards(path: Path) -> None:
    secrets = Secrets.in_memory()
    text = means_the_same({"r1": loaded(path, secrets)}, secrets)
    assert "[router" not in text


@pytest.mark.parametrize("number", range(0, len(FILES) - 1, 3))
def test_two_files_that_have_nothing_to_do_with_each_other(number: int) -> None:
    secrets = Secrets.in_memory()
    one, two = (loaded(path, secrets, path.stem) for path in FILES[number : number + 2])
    means_the_same({one.router: one, two.router: two}, secrets)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.conf").write_text(LB_A)
    (tmp_path / "b.conf").write_text(LB_B)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_routers_share_is_written_once_as_people_write_it(
    pair: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(["lb-a=a.conf", "lb-b=b.conf"]) == 0
    said = capsys.readouterr()
    head, _, text = said.out.partition("\n\n")
    assert text == BOTH
    assert head.splitlines()[0] == "# Converted from a.conf, b.conf."
    assert "secrets/vi_1.auth_pass: auth_pass of VI_1" in head
    assert said.err.endswith(
        "make these files, each with its password or key as the only line and mode 0600:\n"
        "  secrets/vi_1.auth_pass: auth_pass of VI_1\n"
    )
    assert "hunter2" not in said.out + said.err
    assert [*pair.iterdir()] != []


def test_secrets_are_written_where_they_are_asked_for(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pair / "new").mkdir()
    words = ["lb-a=a.conf", "lb-b=b.conf", "--output", "new/vipbus.toml", "--write-secrets"]
    assert convert(words) == 0
    assert "hunter2" not in (pair / "new" / "vipbus.toml").read_text() + str(capsys.readouterr())
    secret = pair / "new" / "secrets" / "vi_1.auth_pass"
    assert secret.read_text() == "hunter2\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    kept = Secrets.in_memory()
    made = {router: load(pair / "new" / "vipbus.toml", router, kept) for router in ("lb-a", "lb-b")}
    for router, file in (("lb-a", "a.conf"), ("lb-b", "b.conf")):
        assert by_key(made[router].entities) == by_key(load(pair / file, router, kept).entities)
    # and nothing is written over
    assert convert(words) == 2
    assert "new/vipbus.toml: it is there already; remove it, or name another" in capsys.readouterr().err
    (pair / "new" / "vipbus.toml").unlink()
    assert convert(words) == 2
    assert "vi_1.auth_pass: it is there already" in capsys.readouterr().err
    assert not (pair / "new" / "vipbus.toml").exists()


def test_what_is_left_out_stands_in_comments(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pair / "a.conf").write_text(LB_A + "virtual_server 192.0.2.10 80 {\n    delay_loop 5\n}\n")
    assert convert(["a.conf"]) == 0
    said = capsys.readouterr()
    assert "has no real_server and is left out" in said.err
    comments = " ".join(line.lstrip("# ") for line in said.out.splitlines() if line.startswith("#"))
    assert "a.conf:31: virtual_server 192.0.2.10 80 has no real_server and is left out" in comments
    assert "unicast" in said.out
    assert "[router" not in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.conf"], "missing.conf:1: there is no such file; check the path"),
        (["v.toml"], "v.toml: this is vipbus.toml already; name a keepalived.conf"),
        (["x=a.conf", "x=b.conf"], "it is for 'x', as a.conf is; say which router each is for"),
        (["a.conf", "b.conf"], "say which router each is for: lb-a=FILE lb-b=FILE"),
        (["a.conf", "--output", "no/such/x.toml"], "no/such/x.toml: it cannot be written (No such file"),
        (["a.conf", "--secrets", "a.conf", "--write-secrets"], "a.conf: it cannot be made"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], said: str, pair: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair / "v.toml").write_text("")
    assert convert(words) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert found.out == ""
    assert len(found.err.splitlines()) == 1


def test_every_file_that_is_refused_says_why(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pair / "a.conf").write_text(LB_A.replace("virtual_router_id", "virtual_router_idd"))
    (pair / "b.conf").write_text(LB_B.replace("priority", "priorrity"))
    assert convert(["lb-a=a.conf", "lb-b=b.conf"]) == 2
    said = capsys.readouterr().err
    assert "virtual_router_idd" in said
    assert "priorrity" in said


@pytest.mark.usefixtures("pair")
def test_as_commands() -> None:
    def vipbus(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "ctl", "config", *words], capture_output=True, text=True, check=False
        )

    done = vipbus("convert", "lb-a=a.conf", "lb-b=b.conf", "--output", "v.toml", "--write-secrets")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert vipbus("check", "v.toml").returncode == 0
    assert vipbus("convert", "missing.conf").returncode == 2
    done = vipbus("schema")
    assert (done.returncode, done.stdout) == (0, schema_text())


HAPROXY = """\
# the proxy of both addresses
global
    log /dev/log local0
    stats socket /run/haproxy.sock
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend www
    bind 192.0.2.10:80
    default_backend app
backend app
    server a1 10.1.0.21:8080 check
"""


@pytest.mark.parametrize("name", ["haproxy.cfg", "proxy.conf"])
def test_a_haproxy_cfg_is_known_by_its_name_or_its_first_word(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(HAPROXY)
    assert convert([str(tmp_path / name)]) == 0
    out, err = capsys.readouterr()
    assert [table["pool"] for table in tomllib.loads(out)["proxy"]] == ["app"]
    assert f"{tmp_path / name}:4: warning: stats socket is left out" in err


def test_both_tiers_of_a_router_are_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keepalived.conf").write_text(LB_A)
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    assert convert([f"lb-a={tmp_path / each}" for each in ("keepalived.conf", "haproxy.cfg")]) == 0
    text, _ = capsys.readouterr()
    found = read(text, "v.toml", "lb-a", str, around=Around(secret_files=False))
    (proxy,) = (each for each in found if isinstance(each, Proxy))
    assert proxy.instance == "VI_1", "it is that of the address"
    assert {type(each).__name__ for each in found} >= {"VrrpInstance", "VirtualServer", "ProxyPool"}
    document = tomllib.loads(text)
    assert [*VALID.iter_errors(document)] == []


def test_two_haproxy_cfg_are_one_document_for_two_routers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("a.cfg", HAPROXY), ("b.cfg", HAPROXY.replace("10.1.0.21", "10.1.0.22"))):
        (tmp_path / name).write_text(text)
    assert convert([f"lb-a={tmp_path / 'a.cfg'}", f"lb-b={tmp_path / 'b.cfg'}"]) == 0
    text, _ = capsys.readouterr()
    for router, address in (("lb-a", "10.1.0.21"), ("lb-b", "10.1.0.22")):
        found = read(text, "v.toml", router, str)
        assert [each.address for each in found if isinstance(each, RealServer)] == [address]
    assert text.count("[[proxy]]") == 1


def test_a_haproxy_cfg_that_is_wrong_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.replace("default_backend app", "default_backend ap"))
    assert convert([str(tmp_path / "haproxy.cfg")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    refusal = "there is no backend 'ap'; did you mean 'app'?; add it, or remove it here"
    assert err.splitlines() == [
        f"{tmp_path / 'haproxy.cfg'}:12:21: {refusal}",
        "        default_backend ap",
        "                        ^",
    ]
