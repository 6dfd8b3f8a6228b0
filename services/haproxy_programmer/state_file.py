"""Write the states that a HAProxy begins with, from what is desired. Pure.

After a reload nobody is taken for up who is down (management.txt, ``show servers state``, version 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from haproxy_programmer.observed import Server
from haproxy_programmer.render.servers import initial_weights
from haproxy_programmer.site import Site
from haproxy_programmer.slots import NOWHERE
from haproxy_programmer.wanted import DOWN, DRAIN, MAINT, READY, UP, Wanted, wanted
from haproxy_programmer.writing import word

_HEAD = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state "
    "srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port "
    "srv_check_addr srv_agent_addr srv_agent_port\n"
)
_NOT_ASKED: Final = 18
"""srv_agent_state: an agent that is configured and not enabled (include/haproxy/check-t.h)."""


def state_file(site: Site, observed: Mapping[tuple[str, str], Server]) -> str:
    """Write the file: the members, and of free slots those whose agent must not be asked.

    A free slot is disabled by its own line of the configuration. What HAProxy and agents say of members is as
    it was ``observed``; of one that was not, that it is up.
    """
    numbers = {pool.id: number for number, pool in enumerate(site.pools, 1)}
    weights = {pool.id: initial_weights(site, pool) for pool in site.pools}
    # its word counts, whatever the line of the configuration says
    encrypted = {pool.id for pool in site.pools if pool.tls is not None}
    lines = []
    for (pool, name), each in wanted(site).items():
        if each.address is None and each.agent is None:
            continue
        address, port = (each.address, each.port) if each.address is not None else NOWHERE
        there = _same(each, observed.get((pool, name)))
        initial = weights[pool].get(name, 1)
        lines.append(
            f"{numbers[pool]} {word(pool)} {name[1:]} {word(name)} {word(address)} "
            f"{_operational(each, there)} {_admin(each, there)} {_weight(each, there, initial)} {initial} "
            f"0 1 0 0 0 {_NOT_ASKED if each.agent is False else 0} 0 0 - {port} - {int(pool in encrypted)} "
            "0 - - 0\n"
        )
    return _HEAD + "".join(lines)


def _same(wanted: Wanted, there: Server | None) -> Server | None:
    """Give what was observed, if it was of this member."""
    moved = there is None or (there.address, there.port) != (wanted.address, wanted.port)
    return None if moved else there


def _operational(wanted: Wanted, there: Server | None) -> int:
    if wanted.up is None:
        return DOWN if there is not None and there.operational == DOWN else UP
    return UP if wanted.up else DOWN


def _admin(wanted: Wanted, there: Server | None) -> int:
    if wanted.admin is None:
        return there.admin & (MAINT | DRAIN) if there is not None else READY
    return wanted.admin


def _weight(wanted: Wanted, there: Server | None, initial: int) -> int:
    if wanted.weight is None:
        return there.weight if there is not None else initial
    return wanted.weight
