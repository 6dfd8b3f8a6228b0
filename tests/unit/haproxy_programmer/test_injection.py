"""Nothing that comes from outside ends a line, a word or a command, wherever it stands."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_programmer.members import Member
from haproxy_programmer.plan import batches, plan
from haproxy_programmer.render import render
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slot, Slots
from haproxy_programmer.state_file import state_file
from haproxy_programmer.wanted import wanted
from haproxy_programmer.writing import UnwritableError, word
from tests.support.proxy import pool, proxy
from vipbus.contracts import Balance, ConfigDocument, name_token

PLACE = Place(directory=Path("/var/lib/vipbus/haproxy"))
EVIL = [
    "a b",
    "a\nserver evil 10.0.0.1:80",
    "a\tb",
    "a\rb",
    "a\0b",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    'a"b',
    "a'b",
    "a\\b",
    "a;b",
    "a#b",
    "a<<b",
    "a$HOME",
    "a`id`",
    "a}b",
    "",
]


def site(text: str) -> Site:
    """Put a text into every field that takes one."""
    servers = Slots(size=2, held={"s1": Slot(address=text, port=1)})
    made = pool(balance=Balance(algorithm="header", parameter=text))
    return Site(
        proxies=(proxy(80, monitor=text),),
        pools=(made,),
        members={made.id: (Member(address=text, port=1, weight=1, state="up"),)},
        slots={made.id: servers},
    )


@pytest.mark.parametrize("text", EVIL)
def test_it_is_no_word(text: str) -> None:
    with pytest.raises(UnwritableError):
        word(text)
    with pytest.raises(UnwritableError):
        render(site(text), PLACE)
    with pytest.raises(UnwritableError):
        state_file(site(text))


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("field", ["monitor"])
def test_the_contract_refuses_it_too(text: str, field: str) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(proxy(80)) | {field: text})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=ConfigDocument)


@given(st.text(max_size=60))
def test_whatever_text_it_is_the_file_has_as_many_lines(text: str) -> None:
    expected = len(render(site("word"), PLACE).splitlines())
    with contextlib.suppress(UnwritableError):
        assert len(render(site(text), PLACE).splitlines()) == expected
    with contextlib.suppress(UnwritableError):
        assert len(state_file(site(text)).splitlines()) == 3
    with contextlib.suppress(UnwritableError):
        commands = plan(wanted(site(text)), {})
        assert all(line.count("\n") == 0 for line in batches(commands))


@given(st.text(min_size=1, max_size=60))
def test_names_become_tokens(name: str) -> None:
    made = proxy(80, name=name, pool=name)
    word(made.id)
    text = render(Site(proxies=(made,), pools=(pool(name=name),)), PLACE)
    assert f"frontend {name_token(name)}\n" in text
