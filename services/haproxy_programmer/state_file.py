"""Write the states that a HAProxy begins with, from what is desired. Pure.

After a reload nobody is taken for up who is down (management.txt, ``show servers state``, version 1).
"""

from __future__ import annotations

from haproxy_programmer.render.servers import initial_weights
from haproxy_programmer.site import Site
from haproxy_programmer.wanted import DOWN, UP, wanted
from haproxy_programmer.writing import word

_HEAD = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state "
    "srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port "
    "srv_check_addr srv_agent_addr srv_agent_port\n"
)


def state_file(site: Site) -> str:
    """Write the file: the members alone, a free slot is disabled by its own line of the configuration."""
    numbers = {pool.id: number for number, pool in enumerate(site.pools, 1)}
    weights = {pool.id: initial_weights(site, pool) for pool in site.pools}
    # its word counts, whatever the line of the configuration says
    encrypted = {pool.id for pool in site.pools if pool.tls is not None}
    lines = [
        f"{numbers[pool]} {word(pool)} {name[1:]} {word(name)} {word(each.address)} "
        f"{UP if each.up else DOWN} {each.admin} {each.weight} {weights[pool][name]} "
        f"0 1 0 0 0 0 0 0 - {each.port} - {int(pool in encrypted)} 0 - - 0\n"
        for (pool, name), each in wanted(site).items()
        if each.address is not None
    ]
    return _HEAD + "".join(lines)
