"""When HAProxy counts as silent: a table of what was heard, second by second."""

from __future__ import annotations

import pytest

from haproxy_programmer.standing import Standing, heard, silent

STORIES: list[tuple[str, list[tuple[float, str]], bool | None, str]] = [
    ("nothing yet", [], None, ""),
    ("an answer", [(1, "")], True, "it answers on its statistics socket"),
    ("a short silence at the start", [(1, "refused"), (4.9, "refused")], None, ""),
    ("a long silence at the start", [(1, "a"), (5, "b")], False, "b"),
    ("a short silence", [(10, ""), (11, "a"), (14.9, "b")], True, "it answers on its statistics socket"),
    ("five seconds of silence", [(10, ""), (11, "a"), (15, "b")], False, "b"),
    ("the first reason stays", [(10, ""), (15, "a"), (16, "b")], False, "a"),
    ("one answer ends it", [(10, ""), (15, "a"), (16, "")], True, "it answers on its statistics socket"),
    ("and begins anew", [(10, ""), (15, "a"), (16, ""), (20.9, "b")], True, "it answers on its statistics"),
]


@pytest.mark.parametrize(
    ("said", "answers", "cause"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES]
)
def test_what_is_told(said: list[tuple[float, str]], answers: bool | None, cause: str) -> None:
    standing = Standing(answered=0)
    for now, why in said:
        standing = silent(standing, why, now) if why else heard(now)
    assert standing.answers is answers
    assert standing.cause.startswith(cause)
