"""Nothing that comes from outside ends a line, a word or a command, wherever it stands."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haproxy_programmer.members import Member
from haproxy_programmer.plan import batches, plan
from haproxy_programmer.render import render
from haproxy_programmer.render.snippets import explained
from haproxy_programmer.site import Place, Site
from haproxy_programmer.slots import Slot, Slots
from haproxy_programmer.state_file import state_file
from haproxy_programmer.wanted import wanted
from haproxy_programmer.writing import UnwritableError, literal, quoted, word
from tests.support.proxy import pool, proxy
from vipbus.contracts import (
    Balance,
    BindTls,
    Cache,
    Compression,
    ConfigDocument,
    CookiePersistence,
    HeaderChange,
    HeaderMatch,
    PathChange,
    PoolTls,
    ProxyBind,
    ProxyRoute,
    ProxySettings,
    Redirect,
    name_token,
)
from vipbus.contracts.proxy_snippet import SECTIONS

PLACE = Place(directory=Path("/var/lib/vipbus/haproxy"))
LINES = ["a\nserver evil 10.0.0.1:80", "a\tb", "a\rb", "a\0b", "a\x7fb", "a\x85b", "a\u2028b", ""]
"""More than a line, or nothing."""
EVIL = ["a b", 'a"b', "a'b", "a\\b", "a;b", "a#b", "a<<b", "a$HOME", "a`id`", "a}b", *LINES]
"""More than a word."""

GZIP = Compression()
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
    "compression.types": lambda text: proxy(80, compression=Compression(types=(text,))),
    "compression.algorithms": lambda text: proxy(
        80, compression=msgspec.structs.replace(GZIP, algorithms=(text,))
    ),
    "pool.compression.types": lambda text: pool(compression=Compression(types=(text,))),
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


SNIPPETS: dict[str, Callable[[str], Site]] = {
    "proxy": lambda text: of(proxy(80, snippet=text)),
    "pool": lambda text: of(pool(snippet=text)),
    "global": lambda text: Site(settings=ProxySettings(router="lb-a", global_snippet=text)),
    "defaults": lambda text: Site(settings=ProxySettings(router="lb-a", defaults_snippet=text)),
}
"""Lines as they are, each in its section."""
LEAVES = [
    *(f"{word} x" for word in ("global", "defaults", "frontend", "backend", "listen", "peers", "cache")),
    *(
        "resolvers a",
        "program a",
        "mailers a",
        "userlist a",
        "http-errors a",
        "ring a",
        "fcgi-app a",
        "GLOBAL",
    ),
    *(
        "option httplog\nbackend x",
        "\tbackend x",
        "no backend x",
        "default no global",
        "backend#x",
        "<<",
        ";",
    ),
    *("'backend' x", '"back"end x', "back\\end x", "\\x62ackend x", '"${SECTION}" x', "$X", ".if 1", "{"),
]
"""What would leave a section, or could."""


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
        state_file(site(text), {})


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
@settings(deadline=None)
def test_whatever_line_it_is_the_file_has_as_many_lines_and_words(field: str, text: str) -> None:
    expected = [len(shlex.split(line)) for line in render(of(TEXTS[field]("word")), PLACE).splitlines()[1:]]
    with contextlib.suppress(UnwritableError):
        made = render(of(TEXTS[field](text)), PLACE).splitlines()[1:]
        assert [len(shlex.split(line)) for line in made] == expected


@given(st.text(max_size=60))
@settings(deadline=None)
def test_whatever_address_it_is_files_and_commands_have_as_many_lines(text: str) -> None:
    expected = len(render(site("word"), PLACE).splitlines())
    with contextlib.suppress(UnwritableError):
        assert len(render(site(text), PLACE).splitlines()) == expected
    with contextlib.suppress(UnwritableError):
        assert len(state_file(site(text), {}).splitlines()) == 3
    with contextlib.suppress(UnwritableError):
        commands = plan(wanted(site(text)), {})
        assert all(line.count("\n") == 0 for line in batches(commands))


@given(st.text(min_size=1, max_size=60))
@settings(deadline=None)
def test_what_is_quoted_reads_as_it_was(text: str) -> None:
    with contextlib.suppress(UnwritableError):
        assert shlex.split(f"a {quoted(text)} b") == ["a", text, "b"]
        assert shlex.split(literal(text)) == [text.replace("%", "%%")]


@given(st.text(min_size=1, max_size=60))
@settings(deadline=None)
def test_names_become_tokens(name: str) -> None:
    made = proxy(80, name=name, pool=name, route=(ProxyRoute(pool=name),))
    word(made.id)
    text = render(Site(proxies=(made,), pools=(pool(name=name),)), PLACE)
    assert f"frontend {name_token(name)}\n" in text


@pytest.mark.parametrize("where", SNIPPETS)
@pytest.mark.parametrize("text", LEAVES)
def test_a_snippet_stays_in_its_section(where: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"line [12] begins (with|the section)"):
        SNIPPETS[where](text)


@pytest.mark.parametrize("where", SNIPPETS)
@pytest.mark.parametrize("text", ["a\rb", "a\0b", "a\x7fb", "a\x85b", "a\u2028b", "a\x0bb"])
def test_a_snippet_has_no_control_characters_in_contract_and_file(where: str, text: str) -> None:
    found = SNIPPETS[where](f"acl {text}")
    for entity in (*found.proxies, *found.pools, *([found.settings] if found.settings is not None else [])):
        assert refused_by_contract(entity)
    with pytest.raises(UnwritableError):
        render(found, PLACE)


PIECES = (
    "backend x",
    "global",
    "\n",
    "no ",
    "#",
    '"',
    "'",
    "\\",
    " ",
    "\t",
    "acl a src",
    "$X",
    "listen",
    "# end",
    ".",
)


@pytest.mark.parametrize("where", SNIPPETS)
@given(text=st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=8).map("".join)))
@settings(deadline=None)
def test_whatever_a_snippet_is_the_sections_are_the_same(where: str, text: str) -> None:
    def sections(site: Site) -> list[str]:
        lines = render(site, PLACE).split("\n")
        begun = [line for line in lines if line[:1] not in ("", " ", "#")]
        assert begun == [line for line in lines if _first(line) in SECTIONS]
        return begun

    with contextlib.suppress(UnwritableError, ValueError):
        assert sections(SNIPPETS[where](text)) == sections(SNIPPETS[where]("acl a src 10.0.0.1"))


def _first(line: str) -> str:
    """The word that says what a line is, as HAProxy reads it: without quotes, escapes and modifiers."""
    read = shlex.shlex(line, posix=True)
    read.whitespace_split = True
    try:
        words = list(read)
    except ValueError:
        return ""  # an open quote: HAProxy refuses the file
    return next((each for each in words if each not in ("no", "default")), "")


def test_the_line_that_haproxy_means_is_named() -> None:
    text = render(of(proxy(80, snippet="acl a src 10.0.0.1\n\n\tfoo bar\n")), PLACE)
    number = text.split("\n").index("    foo bar") + 1
    said = explained(f"config : parsing [/x/haproxy.cfg.new:{number}] : unknown keyword 'foo'", text)
    assert said == "config : parsing [line 3 of the snippet of proxy web: 'foo bar'] : unknown keyword 'foo'"
    for other in (1, 3, number + 2, 10_000, 0):
        assert explained(f"parsing [/x:{other}] : no", text) == f"parsing [/x:{other}] : no"


def test_caches_of_a_proxy_and_a_pool_of_one_name_are_two() -> None:
    made = Site(proxies=(proxy(80, cache=Cache()),), pools=(pool(cache=Cache()),))
    assert [line for line in render(made, PLACE).splitlines() if line.startswith("cache ")] == [
        "cache proxy-web",
        "cache pool-web",
    ]
