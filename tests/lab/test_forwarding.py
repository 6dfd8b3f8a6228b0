"""Traffic by NAT, direct routing and every tunnel; TCP and UDP; IPv4, IPv6, one over the other; by mark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.lab.forwarding_cases import CASES, SERVERS, Case, Protocol, numbered
from tests.lab.methods import CLIENT, ROUTER, Methods, every_method
from tests.lab.wrapped import WRAPPED, Wrapped, read

pytestmark = [pytest.mark.ipvs, pytest.mark.timeout(300)]
_QUESTIONS = 6
_PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP")
_LEAST = {"TCP": 4, "UDP": 1}
"""Packets of one question from the client: SYN, ACK, the request, FIN."""


@pytest.fixture(scope="module")
def methods() -> Iterator[Methods]:
    """Give one lab for all of them."""
    with every_method() as lab:
        yield lab


@pytest.mark.parametrize("protocol", _PROTOCOLS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_question_is_answered_in_turn(methods: Methods, case: Case, protocol: Protocol) -> None:
    before = {name: methods.tunnelled(name) for name in SERVERS}
    answers = [methods.ask(case, protocol) for _ in range(_QUESTIONS)]
    assert Counter(name for name, _ in answers) == dict.fromkeys(SERVERS, _QUESTIONS // 2)
    assert {address for _, address in answers} == {case.arrives_at(name) for name in SERVERS}
    came = {name: methods.tunnelled(name) - before[name] for name in before}
    assert all(count >= _QUESTIONS // 2 if case.method == "TUN" else count == 0 for count in came.values()), (
        came
    )


@pytest.mark.parametrize("case", [case for case in CASES if case.marked], ids=str)
def test_what_has_no_mark_is_not_balanced(methods: Methods, case: Case) -> None:
    """The router itself, which has the address and no such port, refuses it."""
    for protocol in _PROTOCOLS:
        with pytest.raises(ConnectionRefusedError):
            methods.ask(case, protocol, 81)


def test_what_crosses_the_wire_is_wrapped_as_the_file_says(methods: Methods) -> None:
    tunnels = [case for case in CASES if case.method == "TUN"]
    packets = len(tunnels) * len(SERVERS) * sum(_LEAST.values())
    with methods.captured(WRAPPED) as recording:
        for case in tunnels:
            for protocol in _PROTOCOLS:
                assert {methods.ask(case, protocol)[0] for _ in SERVERS} == set(SERVERS)
        recording.holds(packets)
    found = set(read(recording.path))
    for case in tunnels:
        assert {each for each in found if each.virtual == case.address} == {
            Wrapped(
                tunnel=" ".join(word for word in case.tunnel.split() if not word.endswith("csum")),
                source=numbered(case.inner, ROUTER),
                target=case.real(name),
                checksum=case.guarded,
                remote_checksum="remcsum" in case.tunnel,
                client=numbered(case.family, CLIENT),
                virtual=case.address,
                protocol=protocol,
            )
            for name in SERVERS
            for protocol in _PROTOCOLS
        }


def test_the_table_is_what_the_file_says(methods: Methods) -> None:
    lines = methods.router.namespace.run("ipvsadm", "-Sn").splitlines()
    letter = {"NAT": "-m", "DR": "-g", "TUN": "-i"}
    for case in CASES:
        for virtual in case.virtual_servers:
            found = [line for line in lines if line.startswith(f"-a {virtual} ")]
            assert len(found) == 2, (virtual, lines)
            assert all(letter[case.method] in line.split() for line in found), found
            # "type gue port 6080 csum" is "--tun-type gue --tun-port 6080 --tun-csum"
            words = [
                word if word in ("gue", "gre", "6080") else f"--tun-{word}" for word in case.tunnel.split()
            ]
            assert all(" ".join(words) in line for line in found), found
