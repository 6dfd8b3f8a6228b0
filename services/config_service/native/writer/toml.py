"""Tables as the text of a TOML document that people like to read; in the order that they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from config_service.native.misplaced import Table
from config_service.native.snippet_form import SNIPPETS

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDE: Final = 100
"""Characters of a line, where it can be cut."""
_ALWAYS_APART: Final = ("check", "requests", "route")
"""Tables with a heading each, however short they are."""
_DEEP: Final = 3
"""Names that a heading of a router's own may have: ``[router.lb-a.vrrp_instance.VI_1]`` is below it."""
_ONCE: Final = (("vrrp",), ("ipvs",), ("haproxy",))
_LINES: Final = tuple({field for _, field in SNIPPETS})
"""Texts of many lines."""
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_LITERAL_LINES: Final = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f]*")
_LITERAL: Final = re.compile(r"[^'\x00-\x08\x0a-\x1f\x7f]*")


def document(table: Table) -> str:
    """Write a whole document."""
    lines: list[str] = []
    for key, value in table.items():
        _child(lines, (key,), value)
    return "\n".join(lines).strip("\n") + "\n"


def _child(lines: list[str], path: tuple[str, ...], value: Any) -> None:
    if isinstance(value, dict):
        _table(lines, path, value, "[{}]")
        return
    for each in value:
        _table(lines, path, each, "[[{}]]")


def _table(lines: list[str], path: tuple[str, ...], table: Table, heading: str) -> None:
    apart = path[:1] == ("router",) and len(path) <= _DEEP and path[2:] not in _ONCE
    inside = {
        key: value
        for key, value in table.items()
        if (apart and isinstance(value, dict)) or _stands_apart(key, value)
    }
    own = {key: value for key, value in table.items() if key not in inside}
    if own or not inside or heading == "[[{}]]":
        lines += ["", heading.format(".".join(map(_key, path)))]
        for key, value in own.items():
            lines += _pair(key, value)
    for key, value in inside.items():
        _child(lines, (*path, key), value)


def _stands_apart(key: str, value: Any) -> bool:
    """Say whether a value is a table, or tables, with a heading of its own."""
    if isinstance(value, dict):
        return len(f"{key} = {inline(value)}") > _WIDE or any(
            isinstance(each, dict) and not _is_file(each) for each in value.values()
        )
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        return False
    return key in _ALWAYS_APART or any(
        len(inline(each)) > _WIDE - 8 or any(_is_tables(inner) for inner in each.values()) for each in value
    )


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and [*value] == ["file"]


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _pair(key: str, value: Any) -> Iterator[str]:
    if key in _LINES and isinstance(value, str) and "\n" in value:
        yield f"{key} = {_lines(value)}"
        return
    line = f"{_key(key)} = {inline(value)}"
    whole = isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict)
    if isinstance(value, list) and value and (len(line) > _WIDE or whole):
        yield f"{_key(key)} = ["
        yield from _items([inline(each) for each in value], apart=isinstance(value[0], dict))
        yield "]"
    else:
        yield line


def _items(texts: list[str], *, apart: bool) -> Iterator[str]:
    """Write the items of an array, as many in a line as fit, or one."""
    line = ""
    for text in texts:
        if line and (apart or len(line) + len(text) + 2 > _WIDE):
            yield line
            line = ""
        line = f"{line} {text}," if line else f"    {text},"
    if line:
        yield line


def inline(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return (
            f"{{ {', '.join(f'{_key(key)} = {inline(each)}' for key, each in value.items())} }}"
            if value
            else "{}"
        )
    return f"[{', '.join(map(inline, value))}]"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _string(text: str) -> str:
    # "${" begins a variable, and "$${" is what it looks like
    text = text.replace("${", "$${")
    if ("\\" in text or '"' in text) and _LITERAL.fullmatch(text):
        return f"'{text}'"
    return _quoted(text)


def _lines(text: str) -> str:
    """Write a text of several lines as it is, where TOML allows it (literal strings)."""
    text = text.replace("${", "$${")
    if "'''" not in text and not text.endswith("'") and _LITERAL_LINES.fullmatch(text):
        return f"'''\n{text}'''"
    escaped = "".join(each if each in "\n\t" else _escaped(each) for each in text)
    return f'"""\n{escaped}"""'


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES or character.isprintable():
        return _ESCAPES.get(character, character)
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
