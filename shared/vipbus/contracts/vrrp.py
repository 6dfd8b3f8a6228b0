"""Desired state of the election: instances, sync groups, and what a router's vrrp-agent does around them.

Durations are seconds. Passwords and keys never cross the bus: a document holds a reference, and the value
stands in ``secrets.json`` of the state directory (`vipbus.runtime.secrets`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from vipbus.contracts.limits import Counter, Name, Port, Seconds, check_address
from vipbus.contracts.tokens import name_token
from vipbus.contracts.vrrp_objects import Family, StaticAddress, VirtualAddress, VirtualRoute, VirtualRule

Weight = int
"""Of a tracked source, -253 to 253; 0: its failure is a fault of the instance."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program with its arguments, and who it runs as; None: as ``script_user`` says."""

    arguments: tuple[str, ...]
    user: str | None = None
    group: str | None = None


class UnicastPeer(msgspec.Struct, frozen=True, kw_only=True):
    """A router that is told by unicast (keepalived.conf(5), unicast_peer)."""

    address: str
    min_ttl: int = 0
    """Packets from it with less are dropped."""
    max_ttl: int = 255

    def __post_init__(self) -> None:
        check_address(self.address)


class HmacKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of ``auth_hmac``, by number."""

    id: int
    secret: str
    """Reference of the key in ``secrets.json``."""


class Hmac(msgspec.Struct, frozen=True, kw_only=True):
    """An authentication trailer on every advertisement (keepalived.conf(5) from 2.4, auth_hmac)."""

    keys: tuple[HmacKey, ...]
    active_key: int
    """The key that signs; every key verifies, so that they can be rotated."""
    anti_replay: bool = True
    time_window: Seconds = 0.0
    """How far a sender's clock may be off; 0: not checked."""
    mode: Literal["strict", "permissive"] = "strict"
    """permissive: what carries no trailer is taken too, while a network is converted."""


class VirtualMac(msgspec.Struct, frozen=True, kw_only=True):
    """A device of its own for the addresses (keepalived.conf(5), use_vmac and use_ipvlan)."""

    kind: Literal["macvlan", "ipvlan"] = "macvlan"
    name: str
    """Of the device: ``vrrp.51``."""
    mac: str | None = None
    """None: 00:00:5e:00:01:VRID, for IPv6 00:00:5e:00:02:VRID (RFC 9568 section 7.3)."""
    address: str | None = None
    """An ipvlan's own address, ``ADDRESS/LENGTH``."""
    xmit_base: bool = False
    """True: advertisements leave from the interface below."""
    each_address: bool = False
    """True (use_vmac_addr): every address on another interface gets such a device there."""


class Garp(msgspec.Struct, frozen=True, kw_only=True):
    """When neighbours are told where the addresses are: gratuitous ARP and neighbour advertisements."""

    master_delay: Seconds = 5.0
    """From the first burst to the second; 0: there is no second."""
    master_repeat: int = 5
    """Of each address in a burst; 0: none."""
    lower_prio_delay: Seconds | None = None
    """After an advertisement of lower priority; None: as ``master_delay``."""
    lower_prio_repeat: int | None = None
    """None: as ``master_repeat``."""
    master_refresh: Seconds = 0.0
    """Between refreshes while active; 0: none."""
    master_refresh_repeat: int = 1
    arp_interval: Seconds = 0.0
    """Between two gratuitous ARP packets on one interface."""
    na_interval: Seconds = 0.0
    """Between two neighbour advertisements on one interface."""
    extra_interfaces: tuple[str, ...] = ()
    """Told too, at each refresh (garp_extra_if)."""
    extra_all: bool = False
    """garp_extra_if all: excluded addresses too, and all of the instance's own interfaces."""


TrackKind = Literal["interface", "script", "file", "process", "verdict", "service", "proxy", "bfd"]


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """A source that an instance follows: what it says is a fault, or moves the priority.

    Names: of the interface, script, file, process or BFD instance; of a ``verdict``
    ``VIRTUAL-SERVER`` (down when no real server of it is up) or ``VIRTUAL-SERVER.REAL-SERVER``, as tokens;
    of a ``service`` ``SERVICE`` or ``SERVICE.ROUTER`` (down when none answers, or says it is not ready); of a
    ``proxy`` that proxy's (down when this router's HAProxy does not run or answer, see `ProxyProcess`).
    """

    kind: TrackKind
    name: str
    weight: Weight = 0
    """Added when it is up (positive) or down (negative); 0: down is a fault."""
    reverse: bool = False
    """True: what it adds has the other sign; with weight 0 up is the fault."""


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of a change of role (keepalived.conf(5), notify scripts)."""

    master: Program | None = None
    backup: Program | None = None
    fault: Program | None = None
    stop: Program | None = None
    deleted: Program | None = None
    """The instance left the configuration; None: pipes are told FAULT, no program is run."""
    master_rx_lower_pri: Program | None = None
    """An active router heard a lower priority: there were two masters."""
    any: Program | None = None
    """Every change; ``INSTANCE|GROUP NAME STATE PRIORITY`` are added to its arguments."""
    priority_changes: bool = False
    """True: the pipes hear of effective priorities too."""
    mail: bool = False


class VrrpInstance(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="vrrp-instance"):
    """A VRRP virtual router on an interface (RFC 9568 section 6.1; keepalived.conf(5), vrrp_instance)."""

    router: Name
    name: Name
    interface: str
    virtual_router_id: int
    family: Family = 4
    version: Literal[2, 3] = 2

    # election
    priority: int = 100
    """255: this router owns the addresses; no weight moves it."""
    advert_int: float = 1.0
    """Seconds between advertisements: whole ones in version 2, hundredths up to 40.95 in version 3."""
    state: Literal["MASTER", "BACKUP"] = "BACKUP"
    nopreempt: bool = False
    preempt_delay: Seconds = 0.0
    """How long a router of lower priority is left in peace after it was first heard."""
    down_timer_adverts: int = 3
    """Advertisements that may be missed before a takeover."""
    strict: bool = False
    """The RFC and nothing else (vrrp_strict): config-service refused what contradicts it."""
    accept: bool = True
    """False (no_accept): packets to the addresses are dropped unless this router owns them."""
    lower_prio_no_advert: bool = False
    """True: a lower priority is not answered at once (RFC 3768 as it was)."""
    higher_prio_send_advert: bool = False
    """True: one last advertisement before yielding, so that bridges learn."""
    owner_ignore_adverts: bool = False
    """True: the address owner heeds no advertisement (RFC 9568 section 6.4.3)."""
    on_address_loss: Literal["restore", "yield"] = "restore"
    """When somebody takes an address off: put it back, or leave to another router as keepalived does."""

    # the wire
    source: str | None = None
    """The address advertisements come from (mcast_src_ip, unicast_src_ip); None: the interface's first."""
    track_source: bool = False
    """True: a fault when that address is gone."""
    multicast_group: str | None = None
    """None: 224.0.0.18 or ff02::12."""
    unicast_peers: tuple[UnicastPeer, ...] = ()
    """Told one by one instead of the group."""
    unicast_ttl: int = 255
    check_unicast_source: bool = False
    """True: only peers are heard."""
    unicast_fault_no_peer: bool = False
    """True: a fault while no peer is configured."""
    checksum_as_v2: bool = False
    """True: version 3 over IPv4 without the pseudo-header (v3_checksum_as_v2)."""
    auth_pass: str | None = None
    """Version 2: reference of the password (RFC 2338 section 5.3.6); 8 bytes of it count."""
    hmac: Hmac | None = None
    virtual_mac: VirtualMac | None = None
    vrf: str | None = None
    """The interface must be in this one."""

    # what moves with the role
    virtual_ipaddress: tuple[VirtualAddress, ...] = ()
    """Advertised; may be empty (no_virtual_ipaddress): an election without addresses."""
    virtual_ipaddress_excluded: tuple[VirtualAddress, ...] = ()
    """Not advertised; of either family."""
    virtual_routes: tuple[VirtualRoute, ...] = ()
    virtual_rules: tuple[VirtualRule, ...] = ()
    promote_secondaries: bool = False
    """True: siblings survive when the first address of a prefix goes."""
    garp: Garp = Garp()

    # what it follows, and who is told
    track_interface: bool = True
    """False (dont_track_primary): a fault of its own interface does not matter."""
    tracks: tuple[Track, ...] = ()
    """Those of its sync group included."""
    notify: Notify = Notify()

    keys: ClassVar[str] = "<router>.vrrp-instance.<instance>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.vrrp-instance.{name_token(self.name)}"


class SyncGroup(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="vrrp-sync-group"):
    """Instances that move together (keepalived.conf(5), vrrp_sync_group).

    Active only when all its members want it; a fault of one is a fault of all.
    """

    router: Name
    name: Name
    members: tuple[str, ...]
    """Names of instances."""
    notify: Notify = Notify()

    keys: ClassVar[str] = "<router>.vrrp-sync-group.<group>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.vrrp-sync-group.{name_token(self.name)}"


class VrrpScript(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="vrrp-script"):
    """A program whose exit status says up (0) or down (keepalived.conf(5), vrrp_script)."""

    router: Name
    name: Name
    command: Program
    interval: Seconds = 1.0
    """Between two starts."""
    timeout: Seconds = 0.0
    """Until it is killed and counts as failed; 0: as ``interval``."""
    rise: int = 1
    """Successes in a row until up."""
    fall: int = 1
    """Failures in a row until down."""
    init_fail: bool = False
    """True: it begins as down."""

    keys: ClassVar[str] = "<router>.vrrp-script.<script>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.vrrp-script.{name_token(self.name)}"


class TrackFile(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="track-file"):
    """A file that holds a number (keepalived.conf(5), track_file).

    Its value times a weight is added to the priority; with weight 0 a value other than 0 is a fault.
    """

    router: Name
    name: Name
    path: str
    init: int | None = None
    """Written when the agent starts and the file is not there; None: it is not made."""
    init_overwrite: bool = False
    """True: written even when it is there."""

    keys: ClassVar[str] = "<router>.track-file.<file>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.track-file.{name_token(self.name)}"


class TrackProcess(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="track-process"):
    """A process that should run, by the kernel's process events (keepalived.conf(5), vrrp_track_process)."""

    router: Name
    name: Name
    process: str
    """A path, or a program's name when there is no slash in it."""
    arguments: tuple[str, ...] | None = None
    """What its command line must have; None: whatever it has."""
    argument_match: Literal["exact", "initial", "partial"] = "exact"
    """``partial``: the first of them, exactly; ``initial``: and the last may be longer there."""
    full_command: bool = False
    """True: compared with the whole command line, not the kernel's 15 characters of a name."""
    quorum: int = 1
    """As many must run."""
    quorum_max: int | None = None
    """No more than this many may run."""
    fork_delay: Seconds = 0.0
    """After the quorum is reached."""
    terminate_delay: Seconds = 0.0
    """After the quorum is lost."""

    keys: ClassVar[str] = "<router>.track-process.<process>"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.track-process.{name_token(self.name)}"


class Fifo(msgspec.Struct, frozen=True, kw_only=True):
    """A named pipe that hears of every change of role, a line each, and the program that reads it."""

    path: str
    script: Program | None = None


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail about roles goes (keepalived.conf(5), smtp_alert)."""

    recipients: tuple[str, ...]
    sender: str
    host: str = "127.0.0.1"
    port: Port = 25
    helo: str | None = None
    timeout: Seconds = 30.0


class InterfaceDelay(msgspec.Struct, frozen=True, kw_only=True):
    """How long an interface must have been up or down to count as that (interface_up_down_delays)."""

    interface: str
    up: Seconds = 0.0
    down: Seconds = 0.0


class VrrpSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="vrrp-settings"):
    """What holds for a router's whole vrrp-agent (keepalived.conf(5), global_defs and static blocks)."""

    router: Name
    startup_delay: Seconds = 0.0
    """How long after its start it takes part in nothing."""
    delay_after_boot: Seconds = 0.0
    """The same, counted from the boot of the machine."""
    dynamic_interfaces: bool = False
    """False: an interface that is missing at the start is a problem that is told, not only a fault."""
    rt_priority: int | None = None
    """SCHED_RR priority of the loop, 1-99; 0: ordinary scheduling; None: 1 where permitted."""
    rlimit_rttime: int | None = None
    """Microseconds that the loop may work without a pause under real-time scheduling; None: no limit."""
    nice: int | None = None
    no_swap: bool = True
    """Lock memory where permitted."""
    cpu_affinity: tuple[int, ...] = ()
    script_user: str | None = None
    script_group: str | None = None
    script_security: bool = False
    """True: no program runs as root that anyone but root could write."""
    notify_fifo: Fifo | None = None
    """Hears of everything; ``vrrp_notify_fifo`` of instances and groups alone: here the same."""
    vrrp_notify_fifo: Fifo | None = None
    fifo_states_on_reload: bool = False
    """True: every state is written again after a reload."""
    mail: Mail | None = None
    interface_delays: tuple[InterfaceDelay, ...] = ()
    log_unknown_vrids: bool = False
    static_addresses: tuple[StaticAddress, ...] = ()
    static_routes: tuple[VirtualRoute, ...] = ()
    static_rules: tuple[VirtualRule, ...] = ()

    keys: ClassVar[str] = "<router>.vrrp-settings"
    """How `key` is built."""

    @property
    def key(self) -> str:
        """Where this entity stands in the bucket ``config``."""
        return f"{name_token(self.router)}.vrrp-settings"


VrrpEntity = VrrpInstance | SyncGroup | VrrpScript | TrackFile | TrackProcess | VrrpSettings


class VrrpConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """The whole VRRP part of one router's revision."""

    router: Name
    revision: Counter = 0
    settings: VrrpSettings
    instances: tuple[VrrpInstance, ...] = ()
    groups: tuple[SyncGroup, ...] = ()
    scripts: tuple[VrrpScript, ...] = ()
    files: tuple[TrackFile, ...] = ()
    processes: tuple[TrackProcess, ...] = ()
