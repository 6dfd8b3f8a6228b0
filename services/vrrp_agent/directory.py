"""Which instance of an interface a packet is for: by virtual router, then by group or peer."""

from __future__ import annotations

from vrrp_agent.datagram import Datagram
from vrrp_agent.drop import Drop
from vrrp_agent.expected import Expected


class Directory:
    """The instances of one interface and family, by token.

    Several may have the same identifier when no packet can be for two of them: other groups, other peers.
    """

    def __init__(self) -> None:
        self._instances: dict[str, Expected] = {}
        self._by_identifier: dict[int, dict[str, Expected]] = {}

    def __len__(self) -> int:
        return len(self._instances)

    def put(self, token: str, expected: Expected) -> None:
        """Add an instance, or replace what is known of it."""
        self.remove(token)
        self._instances[token] = expected
        self._by_identifier.setdefault(expected.virtual_router_id, {})[token] = expected

    def remove(self, token: str) -> None:
        """Forget an instance; one that is not there is no error."""
        expected = self._instances.pop(token, None)
        if expected is not None:
            same = self._by_identifier[expected.virtual_router_id]
            del same[token]
            if not same:
                del self._by_identifier[expected.virtual_router_id]

    def get(self, token: str) -> Expected | None:
        """Give what is known of an instance."""
        return self._instances.get(token)

    @property
    def groups(self) -> frozenset[str]:
        """The multicast groups that somebody listens to."""
        return frozenset(each.group for each in self._instances.values() if each.group)

    def find(self, datagram: Datagram) -> tuple[str, Expected] | Drop:
        """Say who a packet is for; it may still be refused by `vrrp_agent.packet.decode`."""
        if len(datagram.message) < 2:
            return Drop.LENGTH
        same = self._by_identifier.get(datagram.message[1])
        if same is None:
            return Drop.VRID
        if len(same) == 1:  # nearly always: whatever is wrong with the packet is this one's to count
            (found,) = same.items()
            return found
        return _among(datagram, same)


def _among(datagram: Datagram, same: dict[str, Expected]) -> tuple[str, Expected] | Drop:
    if datagram.multicast:
        listening = [item for item in same.items() if item[1].group]
        for item in listening:
            if item[1].packed_group == datagram.destination:
                return item
        return Drop.DESTINATION if listening else Drop.MULTICAST
    told = [item for item in same.items() if not item[1].group]
    for item in told:
        if datagram.source in item[1].peers:
            return item
    if not told:
        return Drop.UNICAST
    anyone = [item for item in told if not item[1].only_peers]
    return anyone[0] if len(anyone) == 1 else Drop.PEER
