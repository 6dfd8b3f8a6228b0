"""Where the rules of masquerade are written: the same tests on the fake, on nft and on iptables."""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import socket
import threading
from collections.abc import Iterator

import pytest

from ipvs_programmer.masquerade import NAME, Marked, Masked, Service
from ipvs_programmer.nat_rules import IptablesRules, NatRules, NftRules
from tests.lab import alone as lab
from tests.lab.namespace import Namespace
from tests.unit.ipvs_programmer.rules import FakeRules
from vipbus.runtime.packet_filter import PacketFilterError, run

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
WEB = Masked(frozenset((Service("tcp", "10.9.0.1", 80),)))
MORE = Masked(
    frozenset((*WEB.services, Service("udp", "10.9.0.2", 0), Service("sctp", "fd00::1", 443))),
    frozenset((Marked(4, 7, ("10.9.0.21",)), Marked(6, 7, ("fd00::21",)))),
)


@pytest.fixture(params=["fake", "nft", pytest.param("iptables", marks=pytest.mark.ipvs)])
def place(request: pytest.FixtureRequest) -> Iterator[NatRules]:
    if request.param == "fake":
        yield FakeRules()
        return
    made: NatRules = NftRules() if request.param == "nft" else IptablesRules()
    with open("/proc/self/ns/net") as home:  # noqa: PTH123  # the descriptor is the way back
        if _libc.unshare(_CLONE_NEWNET) != 0:
            pytest.skip("no right to make a network namespace: run as root")
        try:
            try:
                made.put(WEB)
            except PacketFilterError as error:
                # a kernel has one or the other
                pytest.skip(str(error))
            made.remove()
            yield made
        finally:
            _libc.setns(home.fileno(), _CLONE_NEWNET)


def test_rules_are_written_over_and_removed(place: NatRules) -> None:
    assert place.standing() == ""
    web = place.put(WEB)
    assert web
    assert place.standing() == web
    more = place.put(MORE)
    assert more not in ("", web)
    assert place.put(MORE) == more
    assert place.put(WEB) == web, "what is asked for no more is gone"
    place.remove()
    assert place.standing() == ""
    place.remove()


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables: run `make packages`")
def test_nft_beside_others_rules() -> None:
    with lab.nodes("host") as (host,), host.entered():
        foreign = "table inet theirs {\n chain c {\n type nat hook postrouting priority 100;\n }\n}\n"
        run(("nft", "-f", "-"), foreign, package="nftables")
        before = run(("nft", "list", "ruleset"), package="nftables")
        rules = NftRules()
        standing = rules.put(MORE)
        run(("nft", "delete", "table", "inet", NAME), package="nftables")
        assert rules.standing() == ""
        assert rules.put(MORE) == standing
        run(("nft", "flush", "chain", "inet", NAME, "postrouting"), package="nftables")
        assert rules.standing() not in ("", standing)
        rules.remove()
        assert run(("nft", "list", "ruleset"), package="nftables") == before


def test_what_nft_refuses_is_said_in_its_words() -> None:
    wrong = Masked(frozenset((Service("tcp", "no address", 80),)))
    with pytest.raises(PacketFilterError, match=r"nft (says|is not installed)"):
        NftRules().put(wrong)


@contextlib.contextmanager
def answering(node: Namespace, address: str) -> Iterator[None]:
    """Answer each TCP connection with the source that is seen."""
    with node.entered():
        listening = socket.create_server((address, 8080), family=_family(address))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, (source, *_) = listening.accept()
                with connection:
                    connection.sendall(source.encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def seen(node: Namespace, address: str, port: int) -> str:
    with node.entered(), socket.socket(_family(address)) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect((address, port))
            return asking.recv(100).decode()
        except OSError:
            return ""


@pytest.mark.parametrize(
    ("client", "virtual", "router", "server"),
    [
        ("10.8.0.200/24", "10.8.0.100", "10.9.0.11/24", "10.9.0.21"),
        ("fd08::200/64", "fd08::100", "fd09::11/64", "fd09::21"),
    ],
    ids=["IPv4", "IPv6"],
)
def test_nft_on_packets(client: str, virtual: str, router: str, server: str) -> None:
    """Address translation by a rule stands in for IPVS, which machines with nf_tables may lack."""
    protocol, prefix = ("ip6", "64") if ":" in virtual else ("ip", "24")
    with lab.nodes("client", "router", "server") as (one, middle, other):
        lab.cable(one, "eth0", middle, "eth0")
        lab.cable(middle, "eth1", other, "eth0")
        lab.address(one, "eth0", client)
        lab.address(middle, "eth0", f"{virtual}/{prefix}")
        lab.address(middle, "eth1", router)
        lab.address(other, "eth0", f"{server}/{prefix}")
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            middle.run("sh", "-ec", f"echo 1 > /proc/sys/net/{name}")
        with answering(other, server), middle.entered():
            to = f"[{server}]:8080" if ":" in server else f"{server}:8080"
            script = (
                "table inet stand-in {\n chain c {\n type nat hook prerouting priority -100;\n"
                f"{protocol} daddr {virtual} tcp dport {{ 80, 81 }} dnat {protocol} to {to}\n }}\n}}\n"
            )
            run(("nft", "-f", "-"), script, package="nftables")
            assert seen(one, virtual, 80) == "", "the real server has no route back"
            NftRules().put(Masked(frozenset((Service("tcp", virtual, 80),))))
            assert seen(one, virtual, 80) == router.split("/", maxsplit=1)[0]
            assert seen(one, virtual, 81) == "", "another port is another virtual server"
            NftRules().remove()
            assert seen(one, virtual, 80) == ""


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(PacketFilterError, match="nft-of-nobody is not installed; install nftables"):
        run(("nft-of-nobody",), package="nftables")
