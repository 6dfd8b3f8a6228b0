"""An error shows its line, and points to the word that it is about; a password is shown to nobody."""

from __future__ import annotations

import pytest

from config_service.excerpts import word_of
from config_service.problems import ConfigError
from tests.unit.config_service.support import compiled, instance, server


def shown(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compiled(text)
    return caught.value.lines(excerpts=True)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            instance("  prioritty 100"),
            [
                "x.conf:2:3: unknown keyword 'prioritty' in vrrp_instance; did you mean 'priority'?",
                "      prioritty 100",
                "      ^^^^^^^^^",
            ],
        ),
        (
            instance("\tpriority\t256"),
            [
                "x.conf:2:11: priority: '256' is no whole number from 1 to 255",
                "     priority 256",
                "              ^^^",
            ],
        ),
        (
            "a { } }\n",
            [
                "x.conf:1:7: '}' without a block to close; remove it, or open the block",
                "    a { } }",
                " " * 10 + "^",
            ],
        ),
        (
            "a " + "b " * 200 + "'c\n",
            [
                "x.conf:1:1: the quote ' is never closed on this line; close it",
                "    a " + "b " * 48 + "b",
                "    ^",
            ],
        ),
        (
            server("lb_algo " + "x" * 300),
            [
                "x.conf:2:9: lb_algo: '"
                + "x" * 60
                + "...' is none of rr wrr lc wlc lblc lblcr sh mh dh fo ovf sed nq "
                "twos",
                "    lb_algo " + "x" * 92,
                "            " + "^" * 60,
            ],
        ),
    ],
)
def test_the_line_and_the_word(text: str, lines: list[str]) -> None:
    assert shown(text) == lines


def test_every_error_of_a_file_is_shown_in_one_run() -> None:
    said = shown(instance("priority x", "advert_int 0", "foo 1") + server("lb_algo x"))
    assert [line.partition(": ")[0] for line in said[::3]] == [
        f"x.conf:{place}" for place in ("2:10", "3:12", "4:1", "10:9")
    ]
    assert len(said) == 12


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("priority: 'a' is no whole number", "priority a", "a"),
        ("priority: 'prio' is no whole number", "priority prio", "prio"),
        ("lb_algo is given twice, first as 'lvs_sched' on line 2", "lb_algo rr", "lb_algo"),
        ("'10.9.0.1' is no address", "10.9.0.1/24 10.9.0.1", "10.9.0.1"),
        ("there is no vrrp_script 'it\\'s'", 'track { "it\'s" }', "track"),
        ("control character U+0007 in the line", "a b\x07", "\x07"),
        ("the block of 'a 1' is never closed", "  a 1 {", "a 1"),
        ("something else", "    first second", "first"),
        ("something else", "", ""),
    ],
)
def test_which_word(text: str, line: str, word: str) -> None:
    start, length = word_of(text, line)
    assert line[start : start + length] == word


@pytest.mark.parametrize(
    "lines",
    [
        ("authentication {", "auth_pass Geheim Geheim", "}"),
        ("authentication {", "auth_type PASS", "Geheim", "}"),
        ("authentication {", "'Geheim", "}"),
        ("auth_hmac {", "key 1 Geheim", "}"),
        ("authentication {", "auth_pass Geheim", "} }"),
        ("$PASSWORD = Geheim",),
    ],
)
def test_a_line_with_a_password_is_not_shown(lines: tuple[str, ...]) -> None:
    assert "Geheim" not in "\n".join(shown(instance(*lines)))
