"""docs/command.md."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ctl.cli import Command, LazyGroup
from ctl.exits import MEANINGS
from ctl.reference.shapes import schema
from ctl.reference.tree import (
    commands,
    common_options,
    examples,
    option_words,
    own_options,
    paragraphs,
    shape,
    synopsis,
)

_HEAD = """\
# The vipbus command
Made from the commands by `make command`, like the manual page [vipbus.1](../deploy/man/vipbus.1) and the
JSON Schema [command.schema.json](command.schema.json).

What is printed has colours on a terminal alone; in a pipe, with `NO_COLOR` set or with `TERM=dumb` it is
plain text that says the same. What goes wrong is one line on stderr: which command, what, and what to do;
with `--json` too. `vipbus completion bash`, `zsh` and `fish` print a completion for that shell.

## Exit status
The same everywhere. What it means to a command stands below it.
"""
_JSON = """\
## JSON
Every document is UTF-8 and whole, but for `vipbus events`, which prints one a line as they come. Fields may
be added in later versions; none changes its meaning. Times are RFC 3339. A field with a default may be left
out.
"""
_HOW: Final = {"one": "One", "array": "An array, each a", "lines": "One object a line, each a"}


def render(vipbus: LazyGroup) -> str:
    """Write it."""
    found = list(commands(vipbus))
    document = schema(vipbus)
    some = next(command for _, command in found if common_options(command))
    parts = [
        _HEAD,
        _table(("status", "means"), ((str(status), meaning) for status, meaning in MEANINGS.items())),
        "\n## Options of every command that asks the bus\n",
        _table(("option", "meaning"), (_option(*option_words(each)) for each in common_options(some))),
        *(part for path, command in found for part in _command(path, command, document["properties"])),
        f"\n{_JSON}",
        *(part for name, each in document["$defs"].items() for part in _shape(name, each)),
    ]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _command(path: str, command: Command, printed: dict[str, Any]) -> Iterator[str]:
    yield f"\n## vipbus {path}"
    yield f"```\n{synopsis(path, command)}\n```"
    yield "\n\n".join(textwrap.fill(each, 110, break_on_hyphens=False) for each in paragraphs(command))
    options = own_options(command)
    if options:
        yield ""
        yield _table(("option", "meaning"), (_option(*option_words(each)) for each in options))
    if (option := shape(command)) is not None:
        top = printed[path]
        yield f"\n`--json`: {_HOW[option.form]} {_type(top.get('items', top))}."
    yield ""
    yield _table(("exit status", "means"), ((str(each), said) for each, said in command.statuses.items()))
    yield "\n```sh\n" + "\n".join(examples(command)) + "\n```"


def _anchor(name: str) -> str:
    return f"#{name.lower().replace('.', '')}"


def _shape(name: str, component: dict[str, Any]) -> Iterator[str]:
    if "properties" not in component:
        return
    yield f"\n### {name}"
    yield component.get("description", "").replace("``", "`")
    yield ""
    required = component.get("required", ())
    yield _table(
        ("field", "type", "meaning"),
        (
            (
                f"`{field}`",
                _type(each) + ("" if field in required else _default(each)),
                each.get("description", "").replace("``", "`"),
            )
            for field, each in component["properties"].items()
        ),
    )


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return ""
    default = field["default"]
    return f", default {json.dumps(default)}" if default not in ((), [], "") else ", default empty"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}]({_anchor(name)})"
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"])
    if "enum" in field:
        return ", ".join(
            "null" if each is None else f"`{each}`" if each != "" else "empty" for each in field["enum"]
        )
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type", "any")
    if kind == "array":
        inside = field.get("prefixItems")
        return (
            "[" + ", ".join(map(_type, inside)) + "]"
            if inside
            else f"array of {_type(field.get('items') or {})}"
        )
    return "time" if field.get("format") == "date-time" else str(kind)


def _option(names: str, text: str) -> tuple[str, str]:
    return f"`{names}`", text


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [
        head,
        tuple("---" for _ in head),
        *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
