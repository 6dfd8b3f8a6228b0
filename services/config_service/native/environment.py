"""``${NAME}`` in a string: the environment of whoever reads the document.

It stands in strings alone and is put in after TOML's reader, so that no value can become another key. A
variable that is not set is an error, ``${NAME:-TEXT}`` has a text for that, and ``$${`` stands for ``${``
itself: the signs of Compose. What a variable holds is in no message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from config_service.native.misplaced import Misplaced
from config_service.problems import quoted

REFERENCE: Final = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}"
"""As a regular expression for whoever reads a schema: all of a value."""
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})?")
_WORD: Final = re.compile(r"[^\s'\"()]+")
_TELLING: Final = 4
"""Characters of a value that say something about it; shorter pieces are words like any others."""
_TRUTH: Final = {"true": True, "false": False}


class FromEnvironment(str):
    """A value with a variable in it, which a message calls by what stands in the document."""

    written: str
    alone: bool

    def __new__(cls, value: str, written: str, *, alone: bool) -> FromEnvironment:
        """Make one; ``alone``: there is nothing beside the variable, so it may be a number."""
        made = super().__new__(cls, value)
        made.written = written
        made.alone = alone
        return made


def expanded(value: Any, path: str, environment: Mapping[str, str]) -> Any:
    """Put the environment's values into all strings of a value.

    Raises:
        Misplaced: a variable is not set, or ``${`` is not followed by a name and ``}``.
    """
    if isinstance(value, str):
        return _text(value, path, environment) if "${" in value else value
    if isinstance(value, dict):
        return {
            key: expanded(each, f"{path}.{key}" if path else key, environment) for key, each in value.items()
        }
    if isinstance(value, list):
        return [expanded(each, f"{path}[{at}]", environment) for at, each in enumerate(value)]
    return value


def _text(text: str, path: str, environment: Mapping[str, str]) -> str:
    found = False

    def replace(match: re.Match[str]) -> str:
        nonlocal found
        if match[0] == "$${":
            return "${"
        name, instead = match[1], match[2]
        if name is None:
            raise Misplaced(path, '"${" begins a variable, ${NAME}; write "$${" for the signs themselves')
        found = True
        value = environment.get(name, instead)
        if value is None:
            raise Misplaced(
                path, f"the environment has no {quoted(name)}; set it, or write ${{{name}:-TEXT}}"
            )
        if "\0" in value or not value.isprintable():
            raise Misplaced(path, f"{quoted(name)} of the environment has control characters; correct it")
        return value

    whole = _REFERENCE.fullmatch(text) is not None
    made = _REFERENCE.sub(replace, text)
    return FromEnvironment(made, text, alone=whole) if found else made


def as_number(value: Any) -> Any:
    """Read what is a variable alone as the number or truth value that is wanted; else leave it."""
    if not isinstance(value, FromEnvironment) or not value.alone:
        return value
    text = value.strip()
    if text in _TRUTH:
        return _TRUTH[text]
    for make in (int, float):
        try:
            return make(text)
        except ValueError:
            continue
    return value


def hidden(said: str, value: Any) -> str:
    """Write a message without what the variables in a value hold: their references stand in it instead."""
    texts = list(_texts(value))
    if not texts:
        return said

    def replace(word: re.Match[str]) -> str:
        shown = word[0].rstrip(".,;:") or word[0]
        found = next((each for each in texts if shown in each or str(each) == shown), None)
        if found is None or (len(shown) < _TELLING and shown != found):
            return word[0]
        return found.written + word[0].removeprefix(shown)

    return _WORD.sub(replace, said)


def _texts(value: Any) -> Iterator[FromEnvironment]:
    if isinstance(value, FromEnvironment):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _texts(each)
