"""What the contracts say of their fields, for a schema: the words below each in the source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

import msgspec


def documented(struct: type[Any]) -> Mapping[str, str]:
    """Read what stands below each field in the source: the contract's own words about it."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if not (isinstance(each, type) and issubclass(each, msgspec.Struct)) or each is msgspec.Struct:
            continue
        (body,) = ast.parse(inspect.getsource(each)).body
        assert isinstance(body, ast.ClassDef)  # noqa: S101  # it is the source of one
        for line, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and _is_text(after):
                found[line.target.id] = _one_line(ast.literal_eval(after.value))  # type: ignore[attr-defined]
    return found


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "").split())


def first_paragraph(text: str) -> str:
    """Give what a docstring begins with, in one line."""
    return _one_line(text.strip().split("\n\n")[0])
