"""Why a packet is not an advertisement for us: a word each for the metrics, a sentence each for people."""

from __future__ import annotations

import enum


class Drop(enum.StrEnum):
    """The reasons, in the order in which they are looked for; the values are metric labels."""

    LENGTH = "length"
    VRID = "vrid"
    """No instance here has this identifier; the one reason that is no fault of anybody's."""
    TTL = "ttl"
    """A router is in between (RFC 9568 section 5.1.1.3), or the peer's ``min_ttl`` and ``max_ttl`` say no."""
    VERSION = "version"
    UNSIGNED = "unsigned"
    """No authentication trailer where one is due."""
    TRAILER = "trailer"
    """An authentication trailer of a kind that is not known."""
    STALE = "stale"
    """The trailer's time is further off than ``time_window``."""
    KEY = "key"
    """The trailer was made with a key that is not configured."""
    SIGNATURE = "signature"
    AUTHENTICATION = "authentication"
    PASSWORD = "password"  # noqa: S105  # a word for people
    INTERVAL = "interval"
    TYPE = "type"
    COUNT = "count"
    CHECKSUM = "checksum"
    PSEUDO_HEADER = "pseudo-header"
    """The checksum is right in the other reading of version 3 over IPv4."""
    DESTINATION = "destination"
    """It came to another multicast group."""
    MULTICAST = "multicast"
    UNICAST = "unicast"
    PEER = "peer"
    REPLAY = "replay"
    OWN = "own"
    """It carries our own source address: a loop in the network, or a second host with our address."""

    @property
    def words(self) -> str:
        """What is wrong, and what to look at."""
        return _WORDS[self]


_WORDS = {
    Drop.LENGTH: "its length is not what its contents need; set the same version and auth_hmac there",
    Drop.VRID: "no instance here has its virtual_router_id",
    Drop.TTL: "its TTL is not 255, or not what unicast_peer allows: it crossed another router",
    Drop.VERSION: "it is of another VRRP version; set the same version there",
    Drop.UNSIGNED: "it has no authentication trailer; configure auth_hmac there, or mode permissive here",
    Drop.TRAILER: "its authentication trailer is of an unknown kind",
    Drop.STALE: "its time is further off than time_window; see to both clocks",
    Drop.KEY: "it is signed with a key that auth_hmac here does not have; add it",
    Drop.SIGNATURE: "its signature is wrong: another key under the same number, or a forgery",
    Drop.AUTHENTICATION: "its authentication is of another type; set the same auth_type there",
    Drop.PASSWORD: "its password is another; set the same auth_pass there",
    Drop.INTERVAL: "its advert_int is another (or 0); set the same one there",
    Drop.TYPE: "it is no advertisement",
    Drop.COUNT: "it names no address",
    Drop.CHECKSUM: "its checksum is wrong",
    Drop.PSEUDO_HEADER: "its checksum is the other kind of version 3's; set the same v3_checksum_as_v2 there",
    Drop.DESTINATION: "it came to another multicast group",
    Drop.MULTICAST: "it came by multicast, and unicast peers are configured here",
    Drop.UNICAST: "it came by unicast, and no unicast peers are configured here",
    Drop.PEER: "its source is no unicast_peer here",
    Drop.REPLAY: "its sequence number was seen before: a replay, or a sender whose clock was set back",
    Drop.OWN: "it has our own source address: a loop in the network, or a second host with our address",
}
