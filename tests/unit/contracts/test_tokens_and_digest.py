"""Tokens are safe inside a subject; a digest depends on what a revision holds and on nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipbus.contracts import (
    address_token,
    name_token,
    revision_digest,
    token_in_words,
    virtual_server_token,
)


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("VI_1", "vi_1"),
        ("router.example", "router-example"),
        ("a>b*c", "a-b-c"),
        ("lb 1", "lb-1"),
        ("ü", "-"),
    ],
)
def test_names(name: str, token: str) -> None:
    assert name_token(name) == token


def test_addresses() -> None:
    assert address_token("10.9.0.21", 80) == "10-9-0-21_80"
    assert address_token("2001:db8::1", 443) == "2001-db8--1_443"
    assert virtual_server_token("10.9.0.100", 53, "UDP") == "10-9-0-100_53_udp"


def test_an_empty_name_is_no_name() -> None:
    with pytest.raises(ValueError, match="empty"):
        name_token("")


@given(st.text(min_size=1))
def test_a_token_is_one_token(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-]+", name_token(name))


bodies = st.dictionaries(st.text(min_size=1), st.binary(), max_size=6)


@given(bodies)
def test_the_order_of_reading_does_not_matter(entities: dict[str, bytes]) -> None:
    assert revision_digest(entities) == revision_digest(dict(reversed(list(entities.items()))))


@given(bodies, st.text(min_size=1), st.binary())
def test_every_difference_shows(entities: dict[str, bytes], key: str, body: bytes) -> None:
    changed = {**entities, key: body}
    assert (revision_digest(changed) == revision_digest(entities)) == (changed == entities)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (virtual_server_token("10.9.0.1", 80, "TCP"), "10.9.0.1:80 TCP"),
        (address_token("10.9.0.21", 8080), "10.9.0.21:8080"),
        (virtual_server_token("2001:db8::1", 443, "UDP"), "[2001:db8::1]:443 UDP"),
        ("router-a", ""),
    ],
)
def test_an_address_token_in_words(token: str, words: str) -> None:
    assert token_in_words(token) == words
