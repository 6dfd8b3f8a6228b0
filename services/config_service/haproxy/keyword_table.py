"""Writes docs/haproxy-keywords.md: every keyword of haproxy.cfg, and what ``config convert`` makes of it.

Made of the tables that the importer goes by, so that it says what the importer does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Final

from config_service.haproxy.keywords import BACK, FRONT, GLOBAL, PROXY, SECTION, Keyword
from config_service.haproxy.server_options import SERVER

_HEAD: Final = """\
# The keywords of haproxy.cfg

Every keyword of HAProxy's configuration and what `vipbus config convert haproxy.cfg` makes of it:
imported, which says what it becomes; a snippet, which is the line as it is, in the section where it
stood; dropped, with the reason and a warning with its place. A keyword that stands in no table becomes a
snippet with a warning.

Made by `make keywords` from the tables that the importer goes by; a test holds it against them and
against the manual's own list.

## How rules become routes

HAProxy tries rules one after the other. A proxy of vipbus tries its snippet first, then what its keys
say: who comes without TLS is sent away, routes are decided, what they answer is answered, headers are
set. So of each list of rules (`http-request`, `http-response`, `use_backend` and so on) the ones at the
end become keys, as far as there are keys for all of them; everything before stays, in its order, in the
snippet, with the `acl` lines that it needs.

| condition | as a route's |
|---|---|
| `hdr(host)`, `req.hdr(host)`, with `-i`, `,lower` | `host`; a route looks at no port and no case |
| `hdr_end(host) .example.org` | `host = ["*.example.org"]` |
| `path /a` | `path`; a route compares paths as they read after percent-decoding |
| `path_beg /a/` | `path_prefix` |
| `path_beg /a`, `path_end`, `path_sub`, `path_dir`, `path_reg`, and those with `-i` | `path_regex` |
| `method GET`, `METH_GET` | `method` |
| `hdr(name)` and `_beg`, `_end`, `_sub`, `_reg`, `-m found` | `header` |
| two of one kind together, `!`, `unless`, `-f`, `src`, `ssl_fc`, all else | none: a snippet |

What is another thing afterwards: `X-Forwarded-For` takes the place of what a request had, and -Proto and
-Port come with it; `response_header` is of HAProxy's own answers too; a redirect to https leaves the port
of `Host` out; `monitor` asks for somebody to serve; a cookie is made of the address, so clients choose
once anew; all backup servers serve together; a timeout of 0, which is none, is one of 24 days; a server
that is a name is no member that vipbus checks or drains.

Passwords never stand in a document: a userlist is left out, and what asks for one denies; so are `stats
auth` with its page, `dynamic-cookie-key`, `cluster-secret`, headers of such names and exchanges
with `AUTH`.
"""


def document() -> str:
    """Write the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield from _table("Sections", SECTION)
    yield from _table("defaults, frontend, listen and backend", PROXY)
    yield from _table("server and default-server", SERVER, "all else: a `default-server` line of the snippet")
    yield from _table("global", GLOBAL, "all else: a line of `global_snippet`")


def _table(title: str, table: Mapping[str, Keyword], rest: str = "") -> Iterator[str]:
    yield f"## {title}\n"
    yield "| keyword | becomes | |"
    yield "|---|---|---|"
    for word, keyword in sorted(table.items()):
        yield f"| `{word}` | {keyword.fate} | {keyword.said or _where(keyword.sides)} |"
    yield f"\n{rest[0].upper()}{rest[1:]}.\n" if rest else ""


def _where(sides: str) -> str:
    return {FRONT: "of the proxy", BACK: "of the pool"}.get(sides, "of the proxy, of the pool")


if __name__ == "__main__":
    sys.stdout.write(document().rstrip("\n") + "\n")
