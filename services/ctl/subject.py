"""What ``vipbus events`` may be asked for: a subject of the history, its first words left out or not."""

from __future__ import annotations

_ROOTS = ("state", "event")


def pattern(text: str) -> str:
    """Make a subject pattern of what an operator wrote: ``state.health`` becomes ``vipbus.state.health.>``.

    Raises:
        ValueError: it can match nothing, or is no subject; the message says what to write.
    """
    tokens = text.split(".")
    if tokens in ([">"], ["vipbus"]):
        tokens = ["vipbus", ">"]
    elif tokens[0] in _ROOTS:
        tokens.insert(0, "vipbus")
    if tokens[0] != "vipbus" or tokens[1] not in (*_ROOTS, "*", ">"):
        raise ValueError(f"{text!r} is not in the history; subjects there begin with state. or event.")
    for position, word in enumerate(tokens):
        if not word:
            raise ValueError(f"{text!r} has an empty token; write one word between two dots")
        if any(letter.isspace() or not letter.isprintable() for letter in word):
            raise ValueError(f"{text!r} has a space or control character in it; a subject has none")
        if word != "*" and "*" in word:
            raise ValueError(f"{text!r}: * stands for one whole word between two dots")
        if ">" in word and (word != ">" or position != len(tokens) - 1):
            raise ValueError(f"{text!r}: > stands alone and at the end")
    # no message has so short a subject: it is the beginning of many
    if tokens[-1] != ">" and len(tokens) <= 3:
        tokens.append(">")
    return ".".join(tokens)
