"""Write findings for people: by area, and what to do under each that needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctl.doctor.finding import Finding, Level
from ctl.layout import row
from ctl.words import count

_WORDS: Final[dict[Level, str]] = {"ok": "ok", "advice": "ADVICE", "problem": "PROBLEM", "unknown": "unknown"}
_COLOURS: Final = {"ADVICE": "\033[33m", "PROBLEM": "\033[31m"}
_END: Final = "\033[0m"


def render(findings: Sequence[Finding], *, colour: bool = False) -> str:
    """Write them in lines of at most `layout.WIDTH` columns; colour says nothing that words do not."""
    lines: list[str] = []
    area = ""
    for each in findings:
        lines += row("" if each.area == area else each.area, f"{_WORDS[each.level]:<8}{each.what}")
        area = each.area
        if each.remedy:
            lines += row("", f"        -> {each.remedy}")
    lines += ["", _summary(findings)]
    if colour:
        for word, code in _COLOURS.items():
            lines = [line.replace(word, f"{code}{word}{_END}", 1) for line in lines]
    return "\n".join(lines) + "\n"


def _summary(findings: Sequence[Finding]) -> str:
    problems = sum(each.level == "problem" for each in findings)
    advices = sum(each.level == "advice" for each in findings)
    looked = count(len(findings), "thing")
    if not problems and not advices:
        return f"{looked} looked at: nothing stands in the way"
    advice = "1 piece of advice" if advices == 1 else f"{advices} pieces of advice"
    parts = [*([count(problems, "problem")] if problems else []), *([advice] if advices else [])]
    return f"{looked} looked at: {' and '.join(parts)}"
