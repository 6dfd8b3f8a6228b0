"""Command lines of ipvsadm(8), and what we say instead: an operation on the table, or another request."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from ipvs_programmer import codec
from ipvs_programmer import constants as c
from ipvs_programmer.kernel import Kernel
from ipvs_programmer.namespace import Daemon, DaemonState, Timeouts
from ipvs_programmer.plan import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
)
from ipvs_programmer.table import (
    Checksum,
    DestinationKey,
    Forwarding,
    Key,
    MarkKey,
    Service,
    Tunnel,
    TunnelKind,
    full_mask,
)
from tests.unit.ipvs_programmer.tables import destination, key

NAT, DR, TUN = Forwarding.NAT, Forwarding.DR, Forwarding.TUN
MASTER, BACKUP = DaemonState
PERSISTENT, OPS = c.IP_VS_SVC_F_PERSISTENT, c.IP_VS_SVC_F_ONEPACKET
FLAG_1, FLAG_2, FLAG_3 = c.IP_VS_SVC_F_SCHED1, c.IP_VS_SVC_F_SCHED2, c.IP_VS_SVC_F_SCHED3


def of(
    which: Key, scheduler: str = "rr", flags: int = 0, timeout: int = 0, *, mask: str = "", engine: str = ""
) -> Service:
    netmask = full_mask(which.family)
    if mask:
        netmask = int.from_bytes(socket.inet_aton(mask), "big") if "." in mask else int(mask)
    return Service(
        key=which, scheduler=scheduler, flags=flags, timeout=timeout, netmask=netmask, engine=engine
    )


def gue(port: int, checksum: Checksum = Checksum.NOCSUM) -> Tunnel:
    return Tunnel(TunnelKind.GUE, port, checksum)


def gre(checksum: Checksum = Checksum.NOCSUM) -> Tunnel:
    return Tunnel(TunnelKind.GRE, 0, checksum)


V4, V6 = key(), key("fd00::1")
DNS4, DNS6 = key(port=53, protocol=17), key("fd00::1", 53, 17)
SCTP = key(port=9, protocol=132)
SIP4, SIP6 = key(port=5060, protocol=17), key("fd00::1", 5060, 17)
MARK4, MARK6 = MarkKey(2, 7), MarkKey(10, 7)

FULL_MASTER: Final = Daemon(
    state=MASTER, interface="lab0", sync_id=255, sync_maxlen=900, group="239.1.2.3", ttl=255
)
FULL_BACKUP: Final = Daemon(
    state=BACKUP, interface="lab0", sync_id=7, sync_maxlen=1400, group="ff02::7", port=9000, ttl=3
)

Act = Callable[[Kernel], object]

CASES: Final[list[tuple[str, Operation | bytes, Act | None]]] = []
"""A command line of ipvsadm, what we send instead, and how the port is asked for what is no operation."""


def case(command: str, operation: Operation | bytes, act: Act | None = None) -> None:
    CASES.append((command, operation, act))


# ---- services: protocols, families, marks, persistence, flags

case("-A -t 10.9.0.1:80 -s rr", AddService(of(V4)))
case("-A -u 10.9.0.1:53 -s wlc -o", AddService(of(DNS4, "wlc", OPS)))
case("-A --sctp-service 10.9.0.1:9 -s lc", AddService(of(SCTP, "lc")))
case("-A -t [fd00::1]:80 -s wrr", AddService(of(V6, "wrr")))
case("-A -u [fd00::1]:53 -s rr -o", AddService(of(DNS6, "rr", OPS)))
case("-A -f 7 -s rr", AddService(of(MARK4)))
case("-A -f 7 -6 -s wrr", AddService(of(MARK6, "wrr")))
case("-A -t 10.9.0.1:0 -s rr -p", AddService(of(key(port=0), "rr", PERSISTENT, 360)))
case(
    "-A -t 10.9.0.1:82 -s rr -p 60 -M 255.255.255.0",
    AddService(of(key(port=82), "rr", PERSISTENT, 60, mask="255.255.255.0")),
)
case(
    "-A -t [fd00::1]:82 -s rr -p 60 -M 64",
    AddService(of(key("fd00::1", 82), "rr", PERSISTENT, 60, mask="64")),
)
case(
    "-A -f 8 -s rr -p 100 -M 255.255.0.0",
    AddService(of(MarkKey(2, 8), "rr", PERSISTENT, 100, mask="255.255.0.0")),
)
case("-A -f 8 -6 -s rr -p 100 -M 48", AddService(of(MarkKey(10, 8), "rr", PERSISTENT, 100, mask="48")))
case(
    "-A -u 10.9.0.1:5060 -s rr -p 60 --pe sip",
    AddService(of(SIP4, "rr", PERSISTENT, 60, engine="sip")),
)
case(
    "-A -u [fd00::1]:5060 -s rr -p 70 --pe sip",
    AddService(of(SIP6, "rr", PERSISTENT, 70, engine="sip")),
)
case("-A -t 10.9.0.1:83 -s sh -b sh-fallback", AddService(of(key(port=83), "sh", FLAG_1)))
case("-A -t 10.9.0.1:84 -s sh -b sh-port", AddService(of(key(port=84), "sh", FLAG_2)))
case("-A -t 10.9.0.1:85 -s mh -b mh-fallback,mh-port", AddService(of(key(port=85), "mh", FLAG_1 | FLAG_2)))
case("-A -t 10.9.0.1:86 -s rr -b flag-1,flag-3", AddService(of(key(port=86), "rr", FLAG_1 | FLAG_3)))
case("-A -t 10.9.0.1:87 -s rr -b flag-2", AddService(of(key(port=87), "rr", FLAG_2)))
case("-E -t 10.9.0.1:80 -s wrr -p 120", EditService(of(V4, "wrr", PERSISTENT, 120)))
case("-E -t 10.9.0.1:80 -s wlc", EditService(of(V4, "wlc")))
case(
    "-E -f 7 -6 -s sh -b sh-port -p 30 -M 32",
    EditService(of(MARK6, "sh", FLAG_2 | PERSISTENT, 30, mask="32")),
)

# ---- destinations: methods, tunnels, thresholds, families

for given, added in (
    ("-r 10.9.0.21:8080 -m -w 5", destination("10.9.0.21", 8080, weight=5)),
    ("-r 10.9.0.22:80 -g", destination("10.9.0.22", forwarding=DR)),
    ("-r 10.9.0.23:80 -i -w 0", destination("10.9.0.23", forwarding=TUN, weight=0)),
    (
        "-r 10.9.0.24:80 -i --tun-type gue --tun-port 6080",
        destination("10.9.0.24", forwarding=TUN, tunnel=gue(6080)),
    ),
    (
        "-r 10.9.0.25:80 -i --tun-type gue --tun-port 6081 --tun-csum",
        destination("10.9.0.25", forwarding=TUN, tunnel=gue(6081, Checksum.CSUM)),
    ),
    (
        "-r 10.9.0.26:80 -i --tun-type gue --tun-port 6082 --tun-remcsum",
        destination("10.9.0.26", forwarding=TUN, tunnel=gue(6082, Checksum.REMCSUM)),
    ),
    ("-r 10.9.0.27:80 -i --tun-type gre", destination("10.9.0.27", forwarding=TUN, tunnel=gre())),
    (
        "-r 10.9.0.28:80 -i --tun-type gre --tun-csum -w 3",
        destination("10.9.0.28", forwarding=TUN, weight=3, tunnel=gre(Checksum.CSUM)),
    ),
    ("-r 10.9.0.29:80 -m -w 65535 -x 100 -y 50", destination("10.9.0.29", weight=65535, upper=100, lower=50)),
):
    case(f"-a -t 10.9.0.1:80 {given}", AddDestination(V4, added))
case("-a -u 10.9.0.1:53 -r 10.9.0.21:53 -m", AddDestination(DNS4, destination(port=53)))
case(
    "-a --sctp-service 10.9.0.1:9 -r 10.9.0.21:9 -m -w 2", AddDestination(SCTP, destination(port=9, weight=2))
)
case("-a -t [fd00::1]:80 -r [fd00::21]:80 -m -w 5", AddDestination(V6, destination("fd00::21", weight=5)))
case(
    "-a -t [fd00::1]:80 -r [fd00::22]:80 -g -x 7",
    AddDestination(V6, destination("fd00::22", forwarding=DR, upper=7)),
)
case(
    "-a -t [fd00::1]:80 -r [fd00::23]:80 -i --tun-type gue --tun-port 6080 --tun-csum",
    AddDestination(V6, destination("fd00::23", forwarding=TUN, tunnel=gue(6080, Checksum.CSUM))),
)
case("-a -f 7 -r 10.9.0.21:0 -g", AddDestination(MARK4, destination(port=0, forwarding=DR)))
case("-a -f 7 -6 -r [fd00::21]:80 -m -w 4", AddDestination(MARK6, destination("fd00::21", weight=4)))
case(
    "-e -t 10.9.0.1:80 -r 10.9.0.21:8080 -m -w 9 -x 10 -y 5",
    EditDestination(V4, destination("10.9.0.21", 8080, weight=9, upper=10, lower=5)),
)
case(
    "-e -t 10.9.0.1:80 -r 10.9.0.22:80 -i --tun-type gue --tun-port 6083 --tun-remcsum",
    EditDestination(V4, destination("10.9.0.22", forwarding=TUN, tunnel=gue(6083, Checksum.REMCSUM))),
)
case("-e -t 10.9.0.1:80 -r 10.9.0.24:80 -i", EditDestination(V4, destination("10.9.0.24", forwarding=TUN)))
case(
    "-e -t [fd00::1]:80 -r [fd00::21]:80 -g -w 0",
    EditDestination(V6, destination("fd00::21", forwarding=DR, weight=0)),
)

# ---- sync daemons

_ON_LAB0: Final = "--mcast-interface lab0"
_TTL: Final = "--mcast-ttl 3"

for started, given in (
    (Daemon(state=MASTER, interface="lab0"), f"master {_ON_LAB0}"),
    (
        FULL_BACKUP,
        f"backup {_ON_LAB0} --syncid 7 --sync-maxlen 1400 --mcast-group ff02::7 --mcast-port 9000 {_TTL}",
    ),
):
    case(
        f"--start-daemon {given}",
        codec.start_daemon_request(started),
        lambda kernel, started=started: kernel.start_daemon(started),  # type: ignore[misc]  # bound here
    )
case("-L --daemon", codec.daemons_request())
case("--stop-daemon master", codec.stop_daemon_request(MASTER), lambda kernel: kernel.stop_daemon(MASTER))
case("--stop-daemon backup", codec.stop_daemon_request(BACKUP), lambda kernel: kernel.stop_daemon(BACKUP))
case(
    "--start-daemon master --mcast-interface lab0 --syncid 255 --sync-maxlen 900 --mcast-group 239.1.2.3"
    " --mcast-ttl 255",
    codec.start_daemon_request(FULL_MASTER),
    lambda kernel: kernel.start_daemon(FULL_MASTER),
)
case("--stop-daemon master", codec.stop_daemon_request(MASTER), lambda kernel: kernel.stop_daemon(MASTER))

# ---- destinations of the other family, which no sync daemon can carry

case("-a -t 10.9.0.1:80 -r [fd00::30]:80 -i", AddDestination(V4, destination("fd00::30", forwarding=TUN)))
case(
    "-a -t [fd00::1]:80 -r 10.9.0.30:80 -i --tun-type gre",
    AddDestination(V6, destination("10.9.0.30", forwarding=TUN, tunnel=gre())),
)

# ---- timeouts, counters, lists

case("-L --timeout", codec.timeouts_request())
for set_to, given in (
    (Timeouts(tcp=100, tcp_fin=20, udp=30), "100 20 30"),
    (Timeouts(udp=60), "0 0 60"),
):
    case(
        f"--set {given}",
        codec.set_timeouts_request(set_to),
        lambda kernel, set_to=set_to: kernel.set_timeouts(set_to),  # type: ignore[misc]  # bound here
    )
case("-L --timeout", codec.timeouts_request())
case("-Z", codec.zero_request(), lambda kernel: kernel.zero())
case("-Z -t 10.9.0.1:80", codec.zero_request(V4), lambda kernel: kernel.zero(V4))
case("-Z -f 7 -6", codec.zero_request(MARK6), lambda kernel: kernel.zero(MARK6))
LIST: Final = "-L -n --stats --exact"
case(LIST, codec.services_request())
case("-L -n -f 7 -6", codec.service_request(MARK6))

# ---- deletions

for gone in ("10.9.0.21:8080", "[fd00::30]:80"):
    host, _, port = gone.rpartition(":")
    case(f"-d -t 10.9.0.1:80 -r {gone}", DeleteDestination(V4, DestinationKey(host.strip("[]"), int(port))))
case("-d -t [fd00::1]:80 -r [fd00::21]:80", DeleteDestination(V6, DestinationKey("fd00::21", 80)))
case("-d -f 7 -r 10.9.0.21:0", DeleteDestination(MARK4, DestinationKey("10.9.0.21", 0)))
case("-D -t 10.9.0.1:80", DeleteService(V4))
case("-D -u [fd00::1]:53", DeleteService(DNS6))
case("-D -f 7 -6", DeleteService(MARK6))
case("-C", codec.flush_request(), lambda kernel: kernel.flush())
