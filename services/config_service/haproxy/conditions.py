"""Conditions of haproxy.cfg as what routes match (configuration.txt, 7.1 and 7.2)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from config_service.haproxy.guards import SECRET
from config_service.haproxy.sections import Line
from config_service.haproxy.words import Word
from vipbus.contracts import HeaderMatch, ProxyRoute

_PREDEFINED: Final[Mapping[str, tuple[str, ...]]] = {
    "METH_CONNECT": ("method", "CONNECT"),
    "METH_DELETE": ("method", "DELETE"),
    "METH_GET": ("method", "GET", "HEAD"),
    "METH_HEAD": ("method", "HEAD"),
    "METH_OPTIONS": ("method", "OPTIONS"),
    "METH_POST": ("method", "POST"),
    "METH_PUT": ("method", "PUT"),
    "METH_TRACE": ("method", "TRACE"),
}
_HOST: Final = re.compile(
    r"(?:req\.|)(?:f?hdr)(?:_(?P<how>beg|end|dom|reg|sub|dir|str))?\(host\)(?:,(?:lower|host_only|field\(1,:\)))*",
    re.IGNORECASE,
)
_PATH: Final = re.compile(r"path(?:_(?P<how>beg|end|dom|reg|sub|dir|str))?(?:,url_dec)?")
_HEADER: Final = re.compile(
    r"(?:req\.|)(?P<whole>f?)hdr(?:_(?P<how>beg|end|reg|sub|str))?\((?P<name>[A-Za-z0-9_.~-]+)\)",
    re.IGNORECASE,
)
_HOST_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_LISTS: Final = frozenset(
    ["connection", "upgrade", "accept", "accept-encoding", "accept-language", "cache-control", "via", "te"]
)
"""Headers that are lists: HAProxy compares each item, a route the whole."""
_KEYS: Final = ("host", "method", "path", "path_prefix", "path_regex")
_MOST: Final = 64


class Term(NamedTuple):
    """One thing that must hold, or must not."""

    negated: bool
    lines: tuple[tuple[Word, ...], ...]
    """Each is a fetch with flags and patterns; one that holds is enough."""
    name: str = ""
    """Of the ACL."""


class Condition(NamedTuple):
    """``if`` and ``unless``: one of several lists of terms must hold."""

    unless: bool
    either: tuple[tuple[Term, ...], ...]


def acls(lines: Iterable[Line]) -> dict[str, tuple[tuple[Word, ...], ...]]:
    """Give the ACLs of a section by name."""
    found: dict[str, tuple[tuple[Word, ...], ...]] = {}
    for line in lines:
        if len(line.arguments) > 1:
            name, *rest = line.arguments
            found[name.text] = (*found.get(name.text, ()), tuple(rest))
    return found


def condition(words: Sequence[Word], known: Mapping[str, tuple[tuple[Word, ...], ...]]) -> Condition | None:
    """Read what follows ``if`` or ``unless``, both included; None: an ACL is not known or a brace is open."""
    unless = words[0].text == "unless"
    either: list[tuple[Term, ...]] = []
    terms: list[Term] = []
    negated = False
    at = 1
    while at < len(words):
        text = words[at].text
        at += 1
        if text in ("or", "||"):
            either.append(tuple(terms))
            terms = []
            continue
        while text.startswith("!"):
            negated, text = not negated, text[1:]
        if not text:
            continue
        if text == "{":
            end = next((each for each in range(at, len(words)) if words[each].text == "}"), None)
            if end is None:
                return None
            lines: tuple[tuple[Word, ...], ...] = (tuple(words[at:end]),)
            at, name = end + 1, ""
        elif text in known:
            lines, name = known[text], text
        elif text in _PREDEFINED:
            lines, name = (tuple(Word(each, 0) for each in _PREDEFINED[text]),), text
        else:
            return None
        terms.append(Term(negated, lines, name))
        negated = False
    either.append(tuple(terms))
    return Condition(unless, tuple(either)) if all(either) else None


def only(said: Condition | None, *fetch: str) -> bool | None:
    """Say of a condition that asks for one thing alone what that must be; None: it asks for more."""
    if said is None or len(said.either) != 1 or len(said.either[0]) != 1:
        return None
    (term,) = said.either[0]
    if len(term.lines) != 1 or tuple(each.text for each in term.lines[0]) != fetch:
        return None
    return term.negated == said.unless


def matches(said: Condition) -> list[ProxyRoute] | None:
    """Write a condition as routes without an end, of which one must fit; None: no route can say it."""
    if said.unless:
        return None
    found: list[ProxyRoute] = []
    for terms in said.either:
        if any(term.negated for term in terms):
            return None
        choices = [_term(term) for term in terms]
        for group in itertools.product(*(each or [] for each in choices)):
            if (made := _joined(group)) is None:
                return None
            found.append(made)
        if any(not each for each in choices) or len(found) > _MOST:
            return None
    return found


def _joined(group: Sequence[ProxyRoute]) -> ProxyRoute | None:
    said: dict[str, tuple[object, ...]] = {}
    kinds: set[str] = set()
    for each in group:
        mine = {key: getattr(each, key) for key in _KEYS if getattr(each, key)}
        its = {key.partition("_")[0] for key in mine}
        if its & kinds:
            return None  # a route has one list of each, of which one must fit
        kinds |= its
        said.update(mine)
        said["header"] = (*said.get("header", ()), *each.header)
    return ProxyRoute(**said)  # type: ignore[arg-type]  # of a route's own fields


def _term(term: Term) -> list[ProxyRoute] | None:
    """Write a term as routes of which one must fit: what is of one kind is one of them."""
    made: dict[str, tuple[object, ...]] = {}
    others: list[ProxyRoute] = []
    for line in term.lines:
        found = _line(line)
        if found is None:
            return None
        for key in _KEYS:
            if value := getattr(found, key):
                made[key] = (*made.get(key, ()), *value)
        if found.header:
            others.append(found)
    paths = {key: value for key, value in made.items() if key.startswith("path")}
    rest = [{key: value} for key, value in made.items() if key not in paths]
    kinds = [each for each in (paths, *rest) if each]
    try:
        routes = [
            msgspec.convert({key: list(value) for key, value in each.items()}, ProxyRoute) for each in kinds
        ]
    except msgspec.ValidationError:
        return None
    return [*routes, *others]


def _line(line: tuple[Word, ...]) -> ProxyRoute | None:
    if not line or any(each.variable for each in line):
        return None
    fetch = line[0].text
    flags, how = False, ""
    patterns: list[str] = []
    rest = iter(range(1, len(line)))
    for at in rest:
        text = line[at].text
        if patterns or line[at].quoted or not text.startswith("-") or text == "-":
            patterns.append(text)
        elif text == "-i":
            flags = True
        elif text == "-m":
            how = line[next(rest, at)].text
        elif text == "--":
            patterns += [each.text for each in line[at + 1 :]]
            break
        else:
            return None
    return _matched(fetch, how, patterns, small=flags)


def _matched(fetch: str, how: str, patterns: Sequence[str], *, small: bool) -> ProxyRoute | None:
    if fetch == "method":
        return ProxyRoute(method=tuple(patterns)) if patterns and not how else None
    if (found := _HOST.fullmatch(fetch)) is not None:
        return _host(found["how"] or how or "str", patterns)
    if (found := _PATH.fullmatch(fetch)) is not None:
        return _path(found["how"] or how or "str", patterns, small=small)
    if (found := _HEADER.fullmatch(fetch)) is not None:
        return _header(found["name"], found["how"] or how or "str", patterns, small=small)
    return None


def _host(how: str, patterns: Sequence[str]) -> ProxyRoute | None:
    hosts = [each.lower() for each in patterns]
    if how == "end" and all(each.startswith(".") for each in hosts):
        hosts = [f"*{each}" for each in hosts]
    elif how != "str":
        return None
    names = (each.removeprefix("*.") for each in hosts)
    return ProxyRoute(host=tuple(hosts)) if hosts and all(map(_HOST_NAME.fullmatch, names)) else None


def _path(how: str, patterns: Sequence[str], *, small: bool) -> ProxyRoute | None:
    if not patterns:
        return None
    if how == "str" and not small:
        return ProxyRoute(path=tuple(patterns))
    if how == "beg" and not small and all(each.endswith("/") and each != "/" for each in patterns):
        return ProxyRoute(path_prefix=tuple(patterns))
    written = [_regex(how, each, small=small) for each in patterns]
    regexes = tuple(each for each in written if each is not None)
    return ProxyRoute(path_regex=regexes) if len(regexes) == len(patterns) else None


def _regex(how: str, pattern: str, *, small: bool) -> str | None:
    text = re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", pattern)
    known = {
        "str": f"^{text}$",
        "beg": f"^{text}",
        "end": f"{text}$",
        "sub": text,
        "dir": f"(?:^|/){text.strip('/')}(?:/|$)",
        "reg": pattern,
    }
    found = known.get(how)
    return None if found is None or not pattern else f"(?i){found}" if small else found


def _header(name: str, how: str, patterns: Sequence[str], *, small: bool) -> ProxyRoute | None:
    if how == "found" and not patterns:
        return ProxyRoute(header=(HeaderMatch(name=name),))
    if not patterns or SECRET.search(name):
        return None
    if how == "str" and len(patterns) == 1 and not small and name.lower() not in _LISTS:
        return ProxyRoute(header=(HeaderMatch(name=name, value=patterns[0]),))
    if how == "str":
        each = "|".join(re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", one) for one in patterns)
        regex = rf"(?:^|,)[ \t]*(?:{each})[ \t]*(?:,|$)"
        return ProxyRoute(header=(HeaderMatch(name=name, regex=f"(?i){regex}" if small else regex),))
    if len(patterns) == 1 and how in ("beg", "end", "sub", "reg"):
        made = _regex(how, patterns[0], small=small)
        return None if made is None else ProxyRoute(header=(HeaderMatch(name=name, regex=made),))
    return None
