"""Nothing that comes from outside ends a line, a word or a command, wherever it stands."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from haproxy_programmer.writing import UnwritableError, literal, quoted, word
from tests.support.proxy import pool, proxy
from vipbus.contracts import (
    Balance,
    BindTls,
    ConfigDocument,
    CookiePersistence,
    HeaderChange,
    HeaderMatch,
    PathChange,
    PoolTls,
    ProxyBind,
    ProxyRoute,
    Redirect,
    name_token,
)

PLACE = Place(directory=Path("/var/lib/vipbus/haproxy"))
LINES = ["a\nserver evil 10.0.0.1:80", "a\tb", "a\rb", "a\0b", "a\x7fb", "a\x85b", "a\u2028b", ""]
"""More than a line, or nothing."""
EVIL = ["a b", 'a"b', "a'b", "a\\b", "a;b", "a#b", "a<<b", "a$HOME", "a`id`", "a}b", *LINES]
"""More than a word."""

WORDS: dict[str, Callable[[str], Any]] = {
    "monitor": lambda text: proxy(80, monitor=text),
    "balance": lambda text: pool(balance=Balance(algorithm="header", parameter=text)),
    "bind.tls.certificates": lambda text: encrypted(certificates=text),
    "bind.tls.client_ca": lambda text: encrypted(certificates="/a", client_ca=text),
    "pool.tls.name": lambda text: pool(tls=PoolTls(name=text)),
    "pool.tls.ca": lambda text: pool(tls=PoolTls(name="a", ca=text)),
    "pool.tls.certificate": lambda text: pool(tls=PoolTls(name="a", certificate=text)),
    "pool.persistence.name": lambda text: pool(persistence=CookiePersistence(name=text)),
    "pool.persistence.key": lambda text: pool(persistence=CookiePersistence(key=text)),
    "route.host": lambda text: routed(host=(text,)),
    "route.path": lambda text: routed(path=(text,)),
    "route.path_prefix": lambda text: routed(path_prefix=(text,)),
    "route.method": lambda text: routed(method=(text,)),
    "route.header.name": lambda text: routed(header=(HeaderMatch(name=text),)),
    "route.request_header.name": lambda text: routed(request_header=(HeaderChange(name=text),)),
    "route.response_header.name": lambda text: routed(response_header=(HeaderChange(name=text),)),
    "request_header.name": lambda text: proxy(80, request_header=(HeaderChange(name=text),)),
    "response_header.name": lambda text: proxy(80, response_header=(HeaderChange(name=text),)),
}
"""Fields that are a word."""
TEXTS: dict[str, Callable[[str], Any]] = {
    "route.path_regex": lambda text: routed(path_regex=(text,)),
    "route.header.value": lambda text: routed(header=(HeaderMatch(name="a", value=text),)),
    "route.header.regex": lambda text: routed(header=(HeaderMatch(name="a", regex=text),)),
    "route.rewrite.regex": lambda text: routed(rewrite=PathChange(regex=text, by="a")),
    "route.rewrite.by": lambda text: routed(rewrite=PathChange(regex="a", by=text)),
    "route.redirect": lambda text: routed(redirect=Redirect(to=text)),
    "route.redirect.keep_path": lambda text: routed(redirect=Redirect(to=text + "a", keep_path=True)),
    "route.request_header": lambda text: routed(request_header=(HeaderChange(name="a", value=text),)),
    "request_header": lambda text: proxy(80, request_header=(HeaderChange(name="a", value=text),)),
    "response_header": lambda text: proxy(80, response_header=(HeaderChange(name="a", value=text),)),
}
"""Fields that are a line, quoted."""


def routed(**changes: Any) -> Any:
    return proxy(80, route=(ProxyRoute(**changes),))


def encrypted(**changes: Any) -> Any:
    return proxy(80, bind=(ProxyBind(address="127.0.0.1", port=443, tls=BindTls(**changes)),))


def of(entity: Any) -> Site:
    made = [entity] if not hasattr(entity, "bind") else []
    return Site(proxies=() if made else (entity,), pools=tuple(made))


def site(text: str) -> Site:
    """Put an address that is a text where addresses stand."""
    servers = Slots(size=2, held={"s1": Slot(address=text, port=1)})
    made = pool()
    return Site(
        pools=(made,),
        members={made.id: (Member(address=text, port=1, weight=1, state="up"),)},
        slots={made.id: servers},
    )


def refused_by_contract(entity: Any) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(entity), type=ConfigDocument)
    except msgspec.ValidationError:
        return True
    return False


@pytest.mark.parametrize("text", EVIL)
def test_it_is_no_word(text: str) -> None:
    with pytest.raises(UnwritableError):
        word(text)
    with pytest.raises(UnwritableError):
        render(site(text), PLACE)
    with pytest.raises(UnwritableError):
        state_file(site(text))


@pytest.mark.parametrize("field", WORDS)
@pytest.mark.parametrize("text", EVIL)
def test_a_field_of_a_word_takes_no_more_in_contract_and_file(text: str, field: str) -> None:
    entity = WORDS[field](text)
    assert refused_by_contract(entity)
    if text or field not in ("route.path_prefix",):  # the beginning of every path
        with pytest.raises(UnwritableError):
            render(of(entity), PLACE)


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("text", LINES)
def test_a_field_of_a_line_takes_no_more_in_contract_and_file(text: str, field: str) -> None:
    if not text and field.startswith("route.redirect"):
        return
    entity = TEXTS[field](text)
    assert refused_by_contract(entity)
    with pytest.raises(UnwritableError):
        render(of(entity), PLACE)


@pytest.mark.parametrize("field", TEXTS)
@given(text=st.text(max_size=60))
def test_whatever_line_it_is_the_file_has_as_many_lines_and_words(field: str, text: str) -> None:
    expected = [len(shlex.split(line)) for line in render(of(TEXTS[field]("word")), PLACE).splitlines()[1:]]
    with contextlib.suppress(UnwritableError):
        made = render(of(TEXTS[field](text)), PLACE).splitlines()[1:]
        assert [len(shlex.split(line)) for line in made] == expected


@given(st.text(max_size=60))
def test_whatever_address_it_is_files_and_commands_have_as_many_lines(text: str) -> None:
    expected = len(render(site("word"), PLACE).splitlines())
    with contextlib.suppress(UnwritableError):
        assert len(render(site(text), PLACE).splitlines()) == expected
    with contextlib.suppress(UnwritableError):
        assert len(state_file(site(text)).splitlines()) == 3
    with contextlib.suppress(UnwritableError):
        commands = plan(wanted(site(text)), {})
        assert all(line.count("\n") == 0 for line in batches(commands))


@given(st.text(min_size=1, max_size=60))
def test_what_is_quoted_reads_as_it_was(text: str) -> None:
    with contextlib.suppress(UnwritableError):
        assert shlex.split(f"a {quoted(text)} b") == ["a", text, "b"]
        assert shlex.split(literal(text)) == [text.replace("%", "%%")]


@given(st.text(min_size=1, max_size=60))
def test_names_become_tokens(name: str) -> None:
    made = proxy(80, name=name, pool=name, route=(ProxyRoute(pool=name),))
    word(made.id)
    text = render(Site(proxies=(made,), pools=(pool(name=name),)), PLACE)
    assert f"frontend {name_token(name)}\n" in text
