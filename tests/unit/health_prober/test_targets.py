"""From configurations to targets."""

from __future__ import annotations

import pytest

from health_prober.targets import address_of, everything_known, place, targets_of
from tests.unit.health_prober.documents import OTHER_VS, VS, check, real_server, revision
from vipbus.bus import Entry
from vipbus.contracts import ConfigDocument
from vipbus.runtime.revision import Revision


def test_routers_that_share_a_real_server_share_its_verdict_over_the_union_of_their_checks() -> None:
    first = revision(real_server(check(80), check(81)), router="r1")
    second = revision(real_server(check(81), check(82), router="r2"), router="r2")
    (target,) = targets_of([first, second]).values()
    assert target.key == f"{VS}.10-9-0-21_80"
    assert {each.port for each in target.checks} == {80, 81, 82}
    assert targets_of([second, first]) == targets_of([first, second])


def test_a_real_server_without_checks_has_no_verdict() -> None:
    assert targets_of([revision(real_server())]) == {}
    shared = targets_of([revision(real_server()), revision(real_server(check(), router="r2"), router="r2")])
    assert len(shared) == 1


def test_every_virtual_server_has_its_own_verdict() -> None:
    found = targets_of([revision(real_server(check()), real_server(check(), virtual_server=OTHER_VS))])
    assert {target.virtual_server for target in found.values()} == {VS, OTHER_VS}
    assert len({target.checks for target in found.values()}) == 1


@pytest.mark.parametrize(
    ("key", "address"),
    [
        (f"{VS}.10-9-0-21_80", "10-9-0-21"),
        (f"{VS}.10-9-0-21_8080", "10-9-0-21"),
        ("2001-db8--1_80_tcp.2001-db8--21_443", "2001-db8--21"),
    ],
)
def test_an_address_is_read_from_a_key(key: str, address: str) -> None:
    assert address_of(key) == address


def test_a_place_is_written_for_people() -> None:
    assert place("10.9.0.21", 80) == "10.9.0.21:80"
    assert place("2001:db8::21", 80) == "[2001:db8::21]:80"


def entries(*documents: ConfigDocument) -> dict[str, Entry[ConfigDocument]]:
    return {document.key: Entry(document, 1, b"") for document in documents}


WHOLE = revision(real_server(check()))
NEWER = revision(real_server(check()), number=2)


@pytest.mark.parametrize(
    ("documents", "revisions", "known"),
    [
        ((), {}, False),
        ((WHOLE.head, real_server(check())), {"r1": WHOLE}, True),
        # the head names a revision that is not whole here
        ((NEWER.head, real_server(check())), {"r1": WHOLE}, False),
        ((WHOLE.head, real_server(check())), {}, False),
        # a router's first revision is being written: its head comes last
        ((WHOLE.head, real_server(check()), real_server(router="r2")), {"r1": WHOLE}, False),
    ],
)
def test_something_is_gone_only_where_everything_is_known(
    documents: tuple[ConfigDocument, ...], revisions: dict[str, Revision], known: bool
) -> None:
    assert everything_known(entries(*documents), revisions) is known
