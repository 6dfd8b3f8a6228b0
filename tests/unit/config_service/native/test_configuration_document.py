"""docs/configuration.md: every example in it compiles for each of its routers, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config_service.native.document import Around, read, routers
from config_service.native.environment import expanded
from config_service.problems import ConfigError, Problem
from vipbus.contracts import VrrpInstance

DOCUMENT = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
MISTAKE, SECRETS = re.findall(r"^```text\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_compiles(text: str) -> None:
    for router in routers(text, "v.toml") or ("lb-a",):
        warnings: list[Problem] = []
        assert read(text, "v.toml", router, str, warnings)
        assert warnings == []


def test_the_routers_of_the_first_example_tell_each_other() -> None:
    told = {}
    for router in routers(EXAMPLES[0], "v.toml"):
        (one,) = (one for one in read(EXAMPLES[0], "v.toml", router, str) if isinstance(one, VrrpInstance))
        told[router] = (one.interface, one.priority, one.source, one.unicast_peers[0].address)
    assert told == {
        "lb-a": ("eth0", 150, "192.0.2.2", "192.0.2.3"),
        "lb-b": ("ens3", 100, "192.0.2.3", "192.0.2.2"),
    }


def test_a_mistake_looks_as_it_says() -> None:
    lines = EXAMPLES[0].replace("advert_int =", "advert_itn =").splitlines()
    text = "\n".join(lines[1:2] + [line for line in lines[2:] if not line.startswith("#")])
    with pytest.raises(ConfigError) as caught:
        read(text, "vipbus.toml", "lb-a", str)
    told = "\n".join(caught.value.lines(excerpts=True)).splitlines()
    shown = MISTAKE.splitlines()
    assert [re.sub(r":\d+:", ":", line, count=1) for line in told] == [
        re.sub(r":\d+:", ":", line, count=1) for line in shown
    ]


def test_secrets_are_written_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "1").write_text("k" * 32)
    (tmp_path / "keys" / "1").chmod(0o600)
    text = EXAMPLES[1].replace("[[vrrp_instance]]\n", f"[[vrrp_instance]]\n{SECRETS.splitlines()[1]}\n", 1)
    found = read(text, "v.toml", "lb-b", str, around=Around({}, tmp_path))
    (one,) = (one for one in found if isinstance(one, VrrpInstance))
    assert one.hmac is not None
    assert one.hmac.keys[0].secret == "k" * 32


def test_variables_mean_what_it_says() -> None:
    rows = dict(re.findall(r'^\| `"(\S*)"` \| (.*) \|$', DOCUMENT, re.MULTILINE))
    assert [*rows] == ["${NAME}", "${NAME:-TEXT}", "$${NAME}"]
    assert [expanded(each, "x", {"NAME": "value"}) for each in rows] == ["value", "value", "${NAME}"]
    assert expanded("${NAME:-TEXT}", "x", {}) == "TEXT"


def test_every_key_of_an_instance_is_in_it() -> None:
    said = {key for key in VrrpInstance.__struct_fields__ if f"`{key}`" in DOCUMENT}
    assert set(VrrpInstance.__struct_fields__) - said == {"router"}
