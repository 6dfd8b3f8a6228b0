"""What an instance sends and expects, worked out once from its configuration and its secrets."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from vipbus.contracts import VrrpInstance
from vipbus.contracts.vrrp import Hmac
from vipbus.contracts.vrrp_objects import Family
from vrrp_agent.datagram import is_multicast

if TYPE_CHECKING:
    from vrrp_agent.authentication import Keyring

GROUPS: Mapping[Family, str] = {4: "224.0.0.18", 6: "ff02::12"}
"""Where advertisements go (RFC 9568 sections 5.1.1.2 and 5.1.2.2)."""
_WIDTH: Mapping[Family, int] = {4: 4, 6: 16}
_PASSWORD = 8
"""Bytes that the authentication data of version 2 has room for (RFC 2338 section 5.3.10)."""
_KEY = range(32, 65)
"""Bytes that a key may have (draft-cassen-vrrp-auth-hmac; keepalived.conf(5), auth_hmac)."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance takes part in, as far as the network sees it."""

    name: str
    family: Family
    version: int
    virtual_router_id: int
    interval: float
    """Seconds between its own advertisements."""
    addresses: tuple[str, ...] = ()
    """The virtual addresses that it names, in their configured order."""
    group: str = ""
    """The multicast group; empty: it is told by unicast."""
    packed_group: bytes = b""
    peers: dict[bytes, range] = {}
    """Unicast peers by packed address, with the TTLs that they may come with."""
    peer_names: tuple[str, ...] = ()
    """The same peers as text, in their configured order."""
    only_peers: bool = False
    """True: whoever is no peer is not heard."""
    ttl: int = 255
    """What it sends with."""
    pseudo_header: bool = True
    """Version 3 over IPv4: the checksum covers source and destination too."""
    password: bytes = b""
    """Version 2: 8 bytes of authentication data; empty: no authentication."""
    keyring: Keyring | None = None
    problem: str = ""
    """Why the instance cannot take part, in words: a secret that is not there, or not usable."""

    def __repr__(self) -> str:
        """Name the instance; its password belongs into no log."""
        return f"Expected({self.name})"

    @staticmethod
    def of(config: VrrpInstance, secrets: Mapping[str, str]) -> Expected:
        """Work it out; what is wrong with the secrets stands in ``problem``, nothing is raised."""
        unicast = bool(config.unicast_peers) or config.unicast_fault_no_peer
        group = "" if unicast else config.multicast_group or GROUPS[config.family]
        destination_problem = _destinations(config, group)
        if destination_problem:
            group = GROUPS[config.family]
        limited = any((each.min_ttl, each.max_ttl) != (0, 255) for each in config.unicast_peers)
        password, password_problem = _password(config, secrets)
        keyring, key_problem = _keyring(config, secrets)
        return Expected(
            name=config.name,
            family=config.family,
            version=config.version,
            virtual_router_id=config.virtual_router_id,
            interval=config.advert_int,
            addresses=tuple(
                each.address for each in config.virtual_ipaddress if each.family == config.family
            ),
            group=group,
            packed_group=pack(group) if group else b"",
            peers={
                pack(each.address): range(each.min_ttl, each.max_ttl + 1) for each in config.unicast_peers
            },
            peer_names=tuple(each.address for each in config.unicast_peers),
            # a TTL is a peer's: without the peer there is none to compare with (keepalived.conf(5))
            only_peers=config.check_unicast_source or limited,
            ttl=config.unicast_ttl if unicast else 255,
            pseudo_header=not config.checksum_as_v2,
            password=password,
            keyring=keyring,
            problem=destination_problem or password_problem or key_problem,
        )


def pack(address: str) -> bytes:
    """Pack an address of either family."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _destinations(config: VrrpInstance, group: str) -> str:
    """Say what is wrong with where it is to send; config-service refuses it with file and line."""
    try:
        packed = pack(group) if group else b""
    except (OSError, ValueError):
        packed = b"?"
    if group and (len(packed) != _WIDTH[config.family] or not is_multicast(packed)):
        return f"{config.name}: {group} is no IPv{config.family} multicast group; correct multicast_group"
    for peer in config.unicast_peers:
        if len(pack(peer.address)) != _WIDTH[config.family]:
            return (
                f"{config.name}: unicast_peer {peer.address} is no IPv{config.family} address; "
                "remove it, or put it into an instance of its family"
            )
    return ""


def _missing(config: VrrpInstance, option: str, reference: str) -> str:
    return (
        f"{config.name}: secrets.json has no value for {reference!r}, which {option} names; "
        "give it to this router as well, in its state directory"
    )


def _password(config: VrrpInstance, secrets: Mapping[str, str]) -> tuple[bytes, str]:
    reference = config.auth_pass
    if reference is None or config.version != 2:
        return b"", ""
    value = secrets.get(reference)
    if not value:
        return b"", _missing(config, "auth_pass", reference)
    return value.encode("utf-8", "surrogateescape")[:_PASSWORD].ljust(_PASSWORD, b"\0"), ""


def _keyring(config: VrrpInstance, secrets: Mapping[str, str]) -> tuple[Keyring | None, str]:
    if config.hmac is None:
        return None, ""
    keys, problem = _keys(config, config.hmac, secrets)
    if problem:
        return None, problem
    # imported by those who need it: hashlib and its library are not read at every start
    from vrrp_agent.authentication import Keyring, binding  # noqa: PLC0415

    keyring = Keyring(
        binding=binding(config.family, config.version, config.virtual_router_id),
        keys=keys,
        active=config.hmac.active_key,
        window=config.hmac.time_window if config.hmac.anti_replay else 0.0,
        ordered=config.hmac.anti_replay,
        strict=config.hmac.mode == "strict",
    )
    return keyring, ""


def _keys(config: VrrpInstance, hmac: Hmac, secrets: Mapping[str, str]) -> tuple[dict[int, bytes], str]:
    keys: dict[int, bytes] = {}
    for each in hmac.keys:
        value = secrets.get(each.secret)
        if not value:
            return {}, _missing(config, f"auth_hmac key {each.id}", each.secret)
        key = _key(value)
        if key is None or len(key) not in _KEY:
            return {}, (
                f"{config.name}: {each.secret!r} in secrets.json is no key for auth_hmac; "
                "write 32 to 64 bytes, as text or as hex:DIGITS"
            )
        if not 1 <= each.id <= 255 or each.id in keys:
            return (
                {},
                f"{config.name}: auth_hmac key {each.id} is there twice, or not in 1-255; number it anew",
            )
        keys[each.id] = key
    if hmac.active_key not in keys:
        return {}, f"{config.name}: auth_hmac has no key {hmac.active_key}, which active_key names; add it"
    return keys, ""


def _key(value: str) -> bytes | None:
    if not value.startswith("hex:"):
        return value.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(value[4:])
    except ValueError:
        return None
