"""Rise and fall: results and the damped state beside them, one letter each."""

from __future__ import annotations

import pytest

from vrrp_agent.tracking.scripts import Damped, begin, damp

_LETTERS = {None: "?", True: "u", False: "d"}


def run(results: str, *, rise: int, fall: int, state: Damped) -> str:
    """Feed results (``+`` success, ``-`` failure); give the states after each."""
    states = ""
    for result in results:
        state = damp(state, success=result == "+", rise=rise, fall=fall)
        states += _LETTERS[state.up]
    return states


@pytest.mark.parametrize(
    ("rise", "fall", "results", "states"),
    [
        (1, 1, "+-+-", "udud"),
        # the first result decides alone (keepalived 2.2.7)
        (3, 3, "-", "d"),
        (3, 3, "+", "u"),
        (2, 2, "-+++", "dduu"),
        (2, 2, "+--", "uud"),
        (3, 2, "+-+-+--", "uuuuuud"),
        (2, 3, "-+-+-++", "ddddddu"),
        (1, 3, "+---+", "uuudu"),
        (3, 1, "+-+++-", "uddd" + "ud"),
        (2, 2, "+-+-+-+-", "uuuuuuuu"),
        (2, 2, "-+-+-+-+", "dddddddd"),
        (0, 0, "+-+", "udu"),
    ],
)
def test_rise_and_fall(rise: int, fall: int, results: str, states: str) -> None:
    assert run(results, rise=rise, fall=fall, state=begin(init_fail=False)) == states


def test_it_begins_unknown_or_with_init_fail_down() -> None:
    assert begin(init_fail=False).up is None
    assert begin(init_fail=True).up is False


def test_after_init_fail_one_success_is_enough() -> None:
    assert run("+", rise=3, fall=3, state=begin(init_fail=True)) == "u"


@pytest.mark.parametrize("word", [True, False])
def test_a_script_that_was_changed_keeps_the_word_until_its_first_result(word: bool) -> None:
    before = Damped(word, decided=True, against=1)
    after = begin(init_fail=True, before=before)
    assert after.up is word
    assert run("-", rise=2, fall=5, state=after) == "d"
    assert run("+", rise=5, fall=2, state=after) == "u"
