"""Two hosts and a network that answers with ICMP errors of every kind; what left one of them can be asked."""

from __future__ import annotations

import json
import secrets
from typing import Final

from tests.lab.namespace import Namespace
from tests.support.waiting import eventually

_SETTINGS: Final = {
    "ipv6.conf.all.disable_ipv6": 0,
    "ipv6.conf.default.disable_ipv6": 0,
    "ipv6.conf.default.accept_dad": 0,
    "ipv4.conf.all.send_redirects": 0,
    "ipv4.conf.default.send_redirects": 0,
    "ipv4.conf.all.accept_redirects": 0,
    "ipv4.conf.default.accept_redirects": 0,
    "ipv4.ip_forward": 1,
    "ipv6.conf.all.forwarding": 1,
    # errors are told of every packet, though of "unreachable" routes IPv4 tells five, then one a second
    "ipv4.icmp_ratemask": 0,
    "ipv6.icmp.ratelimit": 0,
    # and of all hosts together 1,000 a second are told, from a bucket of 50
    "ipv4.icmp_msgs_per_sec": 1_000_000,
    "ipv4.icmp_msgs_burst": 1_000_000,
}
_REJECTED: Final = """
table inet net {
    chain arriving { type filter hook prerouting priority 0;
        ip daddr 10.97.1.7 ip ttl set 1
        ip6 daddr fd97:1::7 ip6 hoplimit set 1
    }
    chain forward { type filter hook forward priority 0;
        ip daddr 10.97.1.3 reject with icmp type net-unreachable
        ip daddr 10.97.1.4 reject with icmp type host-prohibited
        ip daddr 10.97.1.5 reject with icmp type net-prohibited
        ip daddr 10.97.1.6 reject with icmp type prot-unreachable
        ip daddr 10.97.1.8 drop
        ip6 daddr fd97:1::3 reject with icmpv6 type addr-unreachable
        ip6 daddr fd97:1::4 reject with icmpv6 type policy-fail
        ip6 daddr fd97:1::5 reject with icmpv6 type reject-route
        ip6 daddr fd97:1::8 drop
    }
}
"""
_COUNTED: Final = """
table ip net {
    counter marked { }
    counter second { }
    counter aside { }
    counter port { }
    chain leaving { type filter hook postrouting priority 0;
        meta mark 7 counter name marked
        ip saddr 10.97.0.11 counter name second
        oifname aside counter name aside
        th sport 999 counter name port
    }
}
"""


class Wire:
    """A context: ``here`` is where checks come from, ``router`` is next to it and knows the rest."""

    ROUTER: Final = "10.97.0.2"
    ROUTER_6: Final = "fd97::2"
    SECOND: Final = "10.97.0.11"
    """Another address of ``here``."""
    DROPPED: Final = "10.97.1.8"
    DROPPED_6: Final = "fd97:1::8"
    CAUSES: Final = (
        ("10.97.0.99", "host unreachable (said by this host)"),
        ("10.97.1.1", "host unreachable (said by 10.97.0.2)"),
        ("10.97.1.2", "prohibited by a filter (said by 10.97.0.2)"),
        ("10.97.1.3", "network unreachable (said by 10.97.0.2)"),
        ("10.97.1.4", "host prohibited (said by 10.97.0.2)"),
        ("10.97.1.5", "network prohibited (said by 10.97.0.2)"),
        ("10.97.1.6", "protocol unreachable (said by 10.97.0.2)"),
        ("10.97.1.7", "time to live exceeded (said by 10.97.0.2)"),
        ("10.98.0.1", "network is unreachable"),
        ("fd97::99", "host unreachable (said by this host)"),
        ("fd97:1::1", "no route to host (said by fd97::2)"),
        ("fd97:1::2", "prohibited by a filter (said by fd97::2)"),
        ("fd97:1::3", "host unreachable (said by fd97::2)"),
        ("fd97:1::4", "source address refused (said by fd97::2)"),
        ("fd97:1::5", "route rejected (said by fd97::2)"),
        ("fd97:1::7", "hop limit exceeded (said by fd97::2)"),
        ("fd98::1", "network is unreachable"),
    )
    """What is said of a packet to where."""

    def __init__(self) -> None:
        prefix = f"cn{secrets.token_hex(4)}"
        self.here = Namespace(f"{prefix}h")
        self.router = Namespace(f"{prefix}r")

    def __enter__(self) -> Wire:
        here, router = self.here, self.router
        try:
            for each in (here, router):
                each.open(sysctl=_SETTINGS)
            for number, name in enumerate(("out", "aside")):
                here.ip("link", "add", name, "type", "veth", "peer", name, "netns", router.name)
                for last, each in ((1, here), (2, router)):
                    each.ip("addr", "add", f"10.97.{3 * number}.{last}/24", "dev", name)
                    each.ip("addr", "add", f"fd97:{3 * number}::{last}/64", "dev", name, "nodad")
                    each.ip("link", "set", name, "up")
            here.ip("addr", "add", f"{self.SECOND}/24", "dev", "out")
            for family in ("ipv4", "ipv6"):
                # a host that is not there is given up after three times as long
                here.run("sh", "-c", f"echo 50 > /proc/sys/net/{family}/neigh/out/retrans_time_ms")
            router.ip("route", "add", "10.97.1.0/24", "dev", "aside")
            router.ip("route", "add", "fd97:1::/64", "dev", "aside")
            for via, beyond, length in ((self.ROUTER, "10.97.1.", 24), (self.ROUTER_6, "fd97:1::", 64)):
                here.ip("route", "add", f"{beyond}0/{length}", "via", via)
                router.ip("route", "add", "unreachable", f"{beyond}1")
                router.ip("route", "add", "prohibit", f"{beyond}2")
            router.run("nft", _REJECTED)
            here.run("nft", _COUNTED)
            for address in (self.ROUTER, self.ROUTER_6):
                eventually(lambda to=address: self._reaches(to), f"{address} answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.here.close()
        self.router.close()

    def _reaches(self, address: str) -> bool:
        return " 0% packet loss" in self.here.run("ping", "-c1", "-W1", address, check=False)

    def allow_ping(self, groups: str) -> None:
        """Set whose datagram sockets may speak ICMP: ``0 0``, or nobody's with ``1 0``."""
        self.here.run("sh", "-c", f"echo {groups} > /proc/sys/net/ipv4/ping_group_range")

    def left(self) -> set[str]:
        """Say what left ``here`` since it was asked last: ``marked``, from its ``second`` address, ..."""
        listed = json.loads(self.here.run("nft", "--json", "reset", "counters"))["nftables"]
        counters = [each["counter"] for each in listed if "counter" in each]
        return {each["name"] for each in counters if each["packets"]}
