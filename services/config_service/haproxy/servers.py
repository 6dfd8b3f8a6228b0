"""Servers of a backend: each with its options, those of ``default-server`` before its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from config_service.haproxy.body import Body
from config_service.haproxy.keywords import BACK
from config_service.haproxy.sections import Line
from config_service.haproxy.server_options import SERVER, WITHOUT_VALUE
from config_service.haproxy.values import endpoint
from config_service.haproxy.words import Word
from config_service.problems import quoted

_SLOT: Final = re.compile(r"^(server\s+)(s[0-9]+\s)")
Options = dict[str, str]
"""By keyword; of one without a value it is empty."""


class Server(NamedTuple):
    """A server that is an address and a port."""

    line: Line
    name: str
    address: str
    port: int
    options: Options


def servers(body: Body) -> list[Server]:
    """Read the servers of a section; those that are no address go into the pool's snippet."""
    defaults: Options = {}
    found: list[Server] = []
    seen: dict[tuple[str, int], str] = {}
    every = body.every("default-server", "server")
    for line in body.every("server-template"):
        _raw(body, line, 3, "")
    for line in every:
        if line.keyword == "default-server":
            defaults = _laid(defaults, _options(body, line, line.arguments))
            continue
        if len(line.arguments) < 2:
            body.error(line, "a server needs a name and an address")
            continue
        name, where, *rest = line.arguments
        own = _options(body, line, rest)
        said = endpoint(where.text) if not line.variable else None
        if said is None:
            _raw(body, line, 2, where.text)
            continue
        if said in seen:
            body.warn(line, f"server {name.text} is left out: {where.text} is {seen[said]} already")
            continue
        seen[said] = name.text
        found.append(Server(line, name.text, *said, _laid(defaults, own)))
    _others(body, found, defaults)
    return found


def _options(body: Body, line: Line, words: Sequence[Word]) -> Options:
    found: Options = {}
    rest = iter(words)
    for each in rest:
        value = "" if each.text in WITHOUT_VALUE else next(rest, None)
        if value is None:
            body.error(line, f"{each.text} has nothing after it", each.column)
            break
        found[each.text] = value if isinstance(value, str) else value.text
        known = SERVER.get(each.text)
        if known is not None and known.fate == "dropped":
            body.warn(line, f"{each.text} is left out: {known.said}")
    return found


def _laid(before: Options, own: Options) -> Options:
    found = {**before, **own}
    for each in own:
        if each.startswith("no-"):
            found.pop(each[3:], None)
    return found


def _raw(body: Body, line: Line, named: int, where: str) -> None:
    """Put a server into the snippet: HAProxy looks its name up, and checks it."""
    text = _SLOT.sub(r"\1named-\2", line.text)  # the pool has slots of such names
    for option in ("resolvers", "resolve-prefer", "track", "init-addr"):
        words = text.split()
        if option in words:
            at = words.index(option)
            text = " ".join([*words[:at], *words[at + 2 :]])
    body.raw(
        line,
        BACK,
        f"{text} init-addr last,libc,none" if not where.startswith(("/", "unix@", "abns@")) else text,
    )
    name = line.texts[0] if line.texts else ""
    body.warn(
        line,
        f"{line.keyword} {name} is a line of the snippet: it is no address, so HAProxy looks it up and "
        "checks it, and verdicts and drains do not reach it",
    )
    if len(line.arguments) < named:
        body.error(line, f"{line.keyword} needs {named} words")


def _others(body: Body, found: Sequence[Server], defaults: Options) -> None:
    """Put options that the pool has no key for into its snippet, where they hold for all."""
    every = [each.options for each in found] or [defaults]
    for key in dict.fromkeys(key for each in every for key in each):
        if key in SERVER or key.removeprefix("no-") in SERVER:
            continue
        values = {each.get(key) for each in every}
        line = found[0].line if found else next(iter(body.every("default-server")), None)
        if line is None:
            continue
        if len(values) > 1:
            body.warn(line, f"{key} of a server is left out: a pool's servers have the same options")
            continue
        (value,) = values
        body.raw(line, BACK, default_server(key, value or ""))


def default_server(key: str, value: str) -> str:
    """Write an option for all servers of a pool."""
    return f"default-server {key} {_quoted(value)}".rstrip()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'" if any(each in " \t\"'\\#$" for each in value) else value


def same(body: Body, found: Iterable[Server], key: str) -> str | None:
    """Give what an option is for all servers: the first one's, and a warning where another has another."""
    every = [*found]
    values = [each.options.get(key) for each in every]
    said = next((each for each in values if each is not None), None)
    for each, value in zip(every, values, strict=True):
        if value != said:
            body.warn(
                each.line,
                f"{key} of server {each.name} is {quoted(value or 'not said')}; a pool has one for all its "
                f"servers, and here it is {quoted(said or 'not said')}",
            )
    return said
