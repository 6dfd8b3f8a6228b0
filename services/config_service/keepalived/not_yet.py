"""Keywords that keepalived has and vipbus does not support yet, by block.

Only their names: so that a message can tell them from misspellings. What is left out on purpose stands in
`left_out`.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOP: Final = _words(
    """
    net_namespace net_namespace_ipvs namespace_with_ipsets instance use_pid_dir child_wait_time bfd_instance
    virtual_server_group
    """
)

GLOBAL_DEFS: Final = _words(
    """
    startup_script startup_script_timeout shutdown_script shutdown_script_timeout smtp_alert_checker
    lvs_sync_daemon lvs_sync_daemon_interface lvs_timeouts lvs_flush
    lvs_flush_on_stop nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark checker_priority
    bfd_priority checker_no_swap bfd_no_swap checker_cpu_affinity bfd_cpu_affinity checker_rt_priority
    bfd_rt_priority checker_rlimit_rttime bfd_rlimit_rttime lvs_notify_fifo lvs_notify_fifo_script
    rs_init_notifies no_checker_emails umask random_seed include_check reload_time_file reload_repeat
    reload_file use_symlink_paths
    """
)

VRRP_INSTANCE: Final = _words("track_bfd lvs_sync_daemon_interface")

SYNC_GROUP: Final = _words("track_bfd")

VIRTUAL_SERVER: Final = _words(
    """
    flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback ops persistence_engine
    persistence_granularity ha_suspend smtp_alert snmp_name omega quorum hysteresis quorum_up quorum_down
    ip_family sorry_server sorry_server_inhibit sorry_server_lvs_method inhibit_on_failure weight
    """
)

REAL_SERVER: Final = _words(
    """
    lvs_method lb_kind notify_up notify_down uthreshold lthreshold smtp_alert snmp_name inhibit_on_failure
    BFD_CHECK
    """
)
