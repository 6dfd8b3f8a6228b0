"""What may not become a snippet as it is: passwords, and what points to sections that are left out."""

from __future__ import annotations

import re
from typing import Final

from config_service.haproxy.sections import Line

SECRET: Final = re.compile(r"authorization|api-?key|secret|token|passw", re.IGNORECASE)
"""What is in the name of a header whose value nobody is to see."""
_ASKED: Final = re.compile(
    r"\bhttp_auth(?:_group)?\([^()]*\)(?:\s+(?!\})\S+)*"
    rf"|\b(?:req\.)?f?hdr(?:_\w+)?\([^()]*(?:{SECRET.pattern})[^()]*\)(?:,\w+)*"
    r"(?!\s+-m\s+found)(?:\s+(?!\})\S+)+",
    re.IGNORECASE,
)
_PEERS: Final = re.compile(r"\s+peers\s+\S+")
_CONDITION: Final = re.compile(r"\s(?:if|unless)\s.*$")
_DECIDE: Final = "it asks for a password, and none may stand in a document: here"
_OUT: Final = (
    (
        re.compile(
            rf"^\S+\s+(?:set|add|replace)-header\s+\S*(?:{SECRET.pattern})\S*\s+(?![^\s\"]*%\[)",
            re.IGNORECASE,
        ),
        "a password would stand in a document; have it set behind the proxy",
    ),
    (
        re.compile(rf"^(?:pre)?setenv\s+\S*(?:{SECRET.pattern}|key)", re.IGNORECASE),
        "a password would stand in a document; have it in the environment of haproxy-programmer",
    ),
    (re.compile(r"(?:^|[\s,])lua\."), "vipbus carries no Lua files to its routers"),
    (
        re.compile(r"\b(?:srv_\w+|server_\w+)\([^()]*\)"),
        "it names a server, and servers stand in slots of other names",
    ),
    (
        re.compile(r"^filter\s+(?:spoe|fcgi-app|opentracing)\b|\berrorfiles\s"),
        "it needs a section that vipbus.toml has not",
    ),
    (re.compile(r"^\S+\s+do-resolve\("), "it needs a section resolvers, which vipbus.toml has not"),
    (
        re.compile(r"^(?:http-request\s+cache-use|http-response\s+cache-store|filter\s+cache)\b"),
        "a cache is of all requests or of none; add cache to the proxy or the pool",
    ),
    (re.compile(r"^filter\s+compression\b"), "compression is a key of the proxy or the pool"),
)
"""Lines that are left out, and why."""


def guarded(line: Line) -> tuple[str | None, str]:
    """Give what may stand in a snippet, None for nothing, and what is to be said of it.

    What asked for a password denies: left out, it would let everybody in.
    """
    text = line.text
    if line.words[0].text in ("http-request", "tcp-request") and line.texts[:1] == ("auth",):
        found = _CONDITION.search(text)
        said = f"http-request deny{found[0] if found is not None else ''}"
        return said, f"{_DECIDE} it denies; decide what it should"
    if _ASKED.search(text) is not None:
        return _ASKED.sub("always_false", text), f"{_DECIDE} nobody has one; decide what it should"
    for pattern, why in _OUT:
        if pattern.search(text) is not None:
            return None, f"it is left out: {why}"
    if line.words[0].text == "stick-table" and _PEERS.search(text) is not None:
        return _PEERS.sub("", text), "its peers are left out: this table is each router's own"
    return text, ""
