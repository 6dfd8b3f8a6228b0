"""The manual page vipbus(1), in the macros of man(7)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from ctl.cli import Command, LazyGroup
from ctl.exits import MEANINGS
from ctl.reference.tree import (
    commands,
    common_options,
    examples,
    option_words,
    own_options,
    paragraphs,
    synopsis,
)
from vipbus import __version__

_DATE = "2026-11-30"
_WIDTH = 80
_DESCRIPTION = """\
vipbus does on Linux what keepalived and HAProxy do together: virtual addresses that fail over between routers
by VRRP, the kernel's IPVS tables, and health checks. Its parts talk through a NATS message bus.

vipbus run takes an existing keepalived.conf(5) and starts all of it on one router, with a bus of its own. The
other commands ask the bus that the state directory tells of, or the one that --bus names.

Colours are for a terminal. What goes wrong is one line on stderr: which command, what, and what to do."""
_ENVIRONMENT = (
    ("VIPBUS_STATE_DIR", "As --state-dir."),
    ("VIPBUS_BUS", "As --bus."),
    ("VIPBUS_LOG", "As --log."),
    ("VIPBUS_ROUTER", "As --router of vipbus run."),
    ("NO_COLOR", "If it is not empty, nothing has colours."),
)
_FILES = (
    ("/etc/keepalived/keepalived.conf", "What vipbus run is given most of the time."),
    ("/var/lib/vipbus", "State that survives a restart; bus.json tells where the bus is, and its token."),
)


def render(vipbus: LazyGroup) -> str:
    """Write the page."""
    found = list(commands(vipbus))
    some = next(command for _, command in found if common_options(command))
    lines = [
        f'.TH VIPBUS 1 "{_DATE}" "vipbus {__version__}" "User Commands"',
        ".SH NAME",
        r"vipbus \- a Linux load balancer whose parts talk through a message bus",
        ".SH SYNOPSIS",
        r".B vipbus",
        r"\fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION",
        *_paragraphs(_DESCRIPTION.split("\n\n")),
        ".SH OPTIONS",
        *_lines("Every command has -h, --help, and those that ask the bus have these."),
        *_terms(option_words(each) for each in common_options(some)),
        ".SH COMMANDS",
        *(line for path, command in found for line in _command(path, command)),
        ".SH EXIT STATUS",
        *_terms((str(status), f"{meaning[0].upper()}{meaning[1:]}.") for status, meaning in MEANINGS.items()),
        ".SH ENVIRONMENT",
        *_terms(_ENVIRONMENT),
        ".SH FILES",
        *_terms(_FILES),
        ".SH SEE ALSO",
        r".BR keepalived.conf (5),",
        r".BR ipvsadm (8),",
        r".BR ip (8)",
    ]
    return "\n".join(lines) + "\n"


def _command(path: str, command: Command) -> Iterator[str]:
    yield f".SS vipbus {_text(path)}"
    yield ".nh"
    yield f"\\fB{_text(synopsis(path, command))}\\fR"
    yield ".hy"
    yield ".PP"
    yield from _paragraphs(paragraphs(command))
    yield from _terms(option_words(each) for each in own_options(command))
    statuses = "; ".join(f"{status}: {meaning}" for status, meaning in command.statuses.items())
    yield ".PP"
    yield from _lines(f"Exit status {statuses}.")
    yield ".PP"
    yield ".nf"
    yield ".RS"
    yield from (_text(line) for line in examples(command))
    yield ".RE"
    yield ".fi"


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number:
            yield ".PP"
        yield from _lines(text)


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield ".TP"
        yield f"\\fB{_text(term)}\\fR"
        yield from _lines(text)


def _lines(text: str) -> Iterator[str]:
    for line in textwrap.wrap(_text(text), _WIDTH, break_long_words=False, break_on_hyphens=False):
        yield rf"\&{line}" if line.startswith(".") else line


def _text(text: str) -> str:
    """Write a text as it is: a minus is one that can be copied, and no line is taken for a request."""
    made = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{made}" if made.startswith(".") else made
