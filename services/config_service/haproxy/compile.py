"""From the text of a haproxy.cfg to a router's proxies and pools."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

import msgspec

from config_service.haproxy.bases import Bases
from config_service.haproxy.body import Body
from config_service.haproxy.content import content
from config_service.haproxy.guards import guarded
from config_service.haproxy.keywords import BACK, FRONT, GLOBAL, PROXY, SECTION
from config_service.haproxy.notes import Notes
from config_service.haproxy.pools import Made, pool
from config_service.haproxy.proxies import NOBODY, proxy
from config_service.haproxy.sections import PROXIES, Line, Section, inherited, names, sections
from config_service.haproxy.snippets import Names, Snippet
from config_service.keepalived.compile import Configuration
from config_service.keepalived.values import missing
from vipbus.contracts import Entity, Proxy, ProxyPool, ProxySettings, name_token, pool_token

_CONDITIONAL: Final = ("if", "unless")


def compile_text(text: str, file: str, router: str) -> Configuration:
    """Read a file for a router; its entities are proxies, pools and their real servers.

    Raises:
        ConfigError: it is refused, with the place of everything that is wrong.
    """
    notes = Notes(file, text)
    every = sections(text, notes)
    if not any(each.kind in PROXIES for each in every) and not notes.errors:
        notes.error(1, 1, "there is no frontend, backend or listen; was the file cut off?")
    notes.stop()
    reader = _Reader(every, notes, PurePath(file).name, router)
    entities = reader.entities()
    notes.stop()
    found = tuple(sorted(set(notes.warnings), key=lambda one: (one.line, one.text)))
    return Configuration(router, file, entities, found)


class _Reader:
    """Reads the sections of a file."""

    def __init__(self, every: list[Section], notes: Notes, file: str, router: str) -> None:
        self._every = every
        self._notes = notes
        self._file = file
        self._router = router
        self._seen: set[int] = set()
        self._bases = Bases()
        self._places: dict[tuple[str, int], str] = {}
        self._backends = names(every, "backend", "listen")
        self._frontends = names(every, "frontend", "listen")

    def entities(self) -> tuple[Entity, ...]:
        """Read them all."""
        of_global = self._global()
        self._judge()
        shared, of_defaults = self._defaults()
        proxies: list[tuple[Proxy, Body]] = []
        pools: list[tuple[Made, Body]] = []
        for section in self._every:
            if section.kind not in PROXIES:
                continue
            body = Body(section, [*inherited(section, self._every)], self._notes, self._file, self._seen)
            if (disabled := body.last("disabled")) is not None:
                body.warn(disabled, f"{section.kind} {section.name} is left out: it is disabled")
                continue
            self._one(body, proxies, pools, shared)
        return self._finished(of_global, of_defaults, proxies, pools)

    def _one(
        self, body: Body, proxies: list[tuple[Proxy, Body]], pools: list[tuple[Made, Body]], shared: set[int]
    ) -> None:
        said, taken = content(body, names(self._every, "cache"))
        body.every("enabled")
        kind, name = body.section.kind, body.section.name
        stats = [each for each in body.every("stats auth") if not each.modifier]
        if stats:
            body.hide(
                "stats",
                stats[0],
                "the page of statistics is left out: it would stand open without its password",
            )
            if kind == "listen" and not body.every(
                "server", "server-template", "use_backend", "default_backend"
            ):
                return  # it was the page alone
        body.take(taken)
        if FRONT in body.sides:
            of_proxy = {**said, "router": self._router, **({"pool": name} if kind == "listen" else {})}
            made = proxy(body, of_proxy, self._exists, self._bases)
            if made is not None:
                self._bound(made, body)
                proxies.append((made, body))
        if BACK in body.sides:
            of_pool = {**(said if kind == "backend" else {}), "router": self._router}
            pools += [(each, body) for each in pool(body, of_pool, self._bases)]
        known = body.every("acl")
        body.rest(shared)
        for side, snippet in ((FRONT, body.proxy), (BACK, body.pool)):
            used = {word.lstrip("!") for text in snippet.texts for word in text.split()}
            for line in known:
                if side in body.sides and line.texts and line.texts[0] in used:
                    body.raw(line, side)

    def _bound(self, made: Proxy, body: Body) -> None:
        """Refuse a place that two listen on: HAProxy would share it out among them."""
        places = [(each.address, each.port) for each in made.bind]
        for each, place in zip(made.bind, places, strict=True):
            other = self._places.setdefault(place, made.name)
            if other != made.name or places.count(place) > 1:
                where = f"{each.address} port {each.port}"
                line = next(iter(body.every("bind")))
                body.error(line, f"{made.name} listens on {where}, which {other} does already; remove one")
                return

    def _finished(
        self,
        of_global: Snippet,
        of_defaults: Snippet,
        proxies: list[tuple[Proxy, Body]],
        pools: list[tuple[Made, Body]],
    ) -> tuple[Entity, ...]:
        called = {name: pool_token(name) for name in self._backends}
        tables = {**{name: name_token(name) for name in self._frontends}, **called}
        for made, body in proxies:
            if body.section.kind == "listen" and any(
                each.startswith("stick-table") for each in body.proxy.texts
            ):
                tables[made.name] = made.id
        said = Names(called, tables)
        whole: list[Entity] = []
        settings = ProxySettings(
            router=self._router,
            global_snippet=of_global.written(said),
            defaults_snippet=of_defaults.written(said),
        )
        if settings != ProxySettings(router=self._router):
            whole.append(settings)
        whole += [self._with(made, body.proxy.written(said), body) for made, body in proxies]
        for (one, reals), body in pools:
            whole.append(self._with(one, body.pool.written(said), body))
            whole += reals
        if any(NOBODY in each.pools for each, _ in proxies) and NOBODY not in self._backends:
            whole.append(ProxyPool(router=self._router, name=NOBODY))
        return tuple(whole)

    def _with(self, made: Proxy | ProxyPool, text: str | None, body: Body) -> Entity:
        try:
            return msgspec.structs.replace(made, snippet=text)
        except ValueError as error:
            self._notes.error(body.section.number, 1, f"{body.section.kind} {body.section.name}: {error}")
            return made

    def _exists(self, line: Line, name: str) -> bool:
        if name not in self._backends:
            self._notes.error(line.number, line.arguments[0].column, missing("backend", name, self._backends))
            return False
        return True

    def _judge(self) -> None:
        """Say what is left out as a whole, and refuse names that would be one."""
        tokens: dict[tuple[str, str], Section] = {}
        for section in self._every:
            known = SECTION[section.kind] if section.kind in SECTION else SECTION["namespace"]
            if known.fate == "dropped":
                name = f" {section.name}" if section.name else ""
                self._notes.warn(section.number, f"{section.kind}{name} is left out: {known.said}")
            for side in (FRONT, BACK):
                if section.kind not in {FRONT: ("frontend", "listen"), BACK: ("backend", "listen")}[side]:
                    continue
                other = tokens.setdefault((side, name_token(section.name)), section)
                if other is not section:
                    said = (
                        f"{section.kind} {section.name} and {other.kind} {other.name} of line {other.number}"
                    )
                    self._notes.error(section.number, 1, f"{said} would be of one name; rename one")
        self._notes.stop()

    def _global(self) -> Snippet:
        snippet = Snippet(self._file)
        for section in self._every:
            if section.kind != "global":
                continue
            for line in section.lines:
                known = GLOBAL.get(line.keyword) or GLOBAL.get(line.words[0].text)
                if known is not None and known.fate == "dropped":
                    self._notes.warn(line.number, f"{line.keyword} is left out: {known.said}")
                    continue
                if line.keyword in ("crt-base", "ca-base") and line.texts:
                    key = line.keyword.partition("-")[0]
                    self._bases = self._bases._replace(**{key: line.texts[0]})
                self._add(snippet, line)
        return snippet

    def _defaults(self) -> tuple[set[int], Snippet]:
        """Give the lines of defaults that stand in its snippet; where there are several, in each section."""
        snippet = Snippet(self._file)
        every = [each for each in self._every if each.kind == "defaults"]
        shared: set[int] = set()
        if len(every) != 1:
            return shared, snippet
        password = any(line.keyword == "stats auth" for each in self._every for line in each.lines)
        for line in every[0].lines:
            if password and line.words[0].text == "stats":
                continue  # each section that inherits it has it, or leaves it out
            known = PROXY.get(line.keyword)
            if known is not None and (known.fate != "snippet" or _is_rule(line)):
                continue
            if known is None:
                self._notes.warn(line.number, f"{line.keyword} is not known here; haproxy -c says what it is")
            shared.add(line.number)
            self._add(snippet, line)
        return shared, snippet

    def _add(self, snippet: Snippet, line: Line) -> None:
        text, warning = guarded(line)
        if warning:
            self._notes.warn(line.number, warning)
        if text is not None:
            snippet.add(line, text if text != line.text else None)


def _is_rule(line: Line) -> bool:
    """Say whether a line of defaults is a rule: in a section defaults without a name there may be none."""
    return any(each.text in _CONDITIONAL for each in line.words) or line.keyword.startswith("tcp-re")
