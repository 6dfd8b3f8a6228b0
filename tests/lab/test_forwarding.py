"""Traffic through NAT, direct routing and tunnels; TCP and UDP; IPv4, IPv6, and tunnels between the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.lab.declare import PORT
from tests.lab.methods import CASES, Case, Methods, Protocol, every_method

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(300)]
_QUESTIONS = 6


@pytest.fixture(scope="module")
def methods() -> Iterator[Methods]:
    """Give one lab for all of them."""
    with every_method() as lab:
        yield lab


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_question_is_answered_in_turn(methods: Methods, case: Case, protocol: Protocol) -> None:
    before = {name: methods.tunnelled(name) for name in ("s1", "s2")}
    answers = [methods.ask(case, protocol) for _ in range(_QUESTIONS)]
    assert Counter(name for name, _ in answers) == {"s1": _QUESTIONS // 2, "s2": _QUESTIONS // 2}
    assert {address for _, address in answers} == {case.arrives_at("s1"), case.arrives_at("s2")}
    came = {name: methods.tunnelled(name) - before[name] for name in before}
    assert all(count >= _QUESTIONS // 2 if case.method == "TUN" else count == 0 for count in came.values()), (
        came
    )


def test_the_table_is_what_the_file_says(methods: Methods) -> None:
    lines = methods.router.namespace.run("ipvsadm", "-Sn").splitlines()
    letter = {"NAT": "-m", "DR": "-g", "TUN": "-i"}
    for case in CASES:
        at = f"{case.address}:{PORT}" if case.family == 4 else f"[{case.address}]:{PORT}"
        for flag in ("-t", "-u"):
            found = [line for line in lines if line.startswith(f"-a {flag} {at} ")]
            assert len(found) == 2, (at, lines)
            assert all(letter[case.method] in line.split() for line in found), found
