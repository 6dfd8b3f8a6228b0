"""A real server as its virtual server has it: all that follows from the configuration alone. Pure."""

from __future__ import annotations

import msgspec

from ipvs_programmer.table import Destination
from ipvs_programmer.translate import destination_key, forwarding_of
from ipvs_programmer.weights import Origin, plain
from vipbus.contracts import RealServer, VirtualServer


class Place(msgspec.Struct, frozen=True, gc=False):
    """Made once a revision: a verdict on one of a hundred is not to make the names of all of them again."""

    real: RealServer
    of: str
    """The bucket key of its verdict."""
    destination: Destination
    """With the configured weight."""
    origin: Origin

    @property
    def token(self) -> str:
        """The real server's."""
        return self.of.rpartition(".")[2]


def place_of(virtual: VirtualServer, real: RealServer) -> Place:
    """Find a real server's place."""
    method, tunnel = forwarding_of(virtual, real)
    destination = Destination(
        key=destination_key(real),
        forwarding=method,
        weight=real.weight,
        upper_threshold=real.upper_threshold,
        lower_threshold=real.lower_threshold,
        tunnel=tunnel,
    )
    return Place(real, f"{real.virtual_server}.{real.id}", destination, plain(real.weight))
