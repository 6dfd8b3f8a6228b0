"""Keywords of keepalived.conf(5) (2.2.7 and later) that vipbus does not support yet, by block.

Only their names: so that a message can tell them from misspellings.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOP: Final = _words(
    """
    net_namespace net_namespace_ipvs namespace_with_ipsets instance use_pid_dir linkbeat_use_polling
    child_wait_time linkbeat_interfaces garp_group track_group static_ipaddress static_routes static_rules
    interface_up_down_delays vrrp_sync_group vrrp_script vrrp_track_process vrrp_track_file track_file
    bfd_instance virtual_server_group SSL
    """
)

GLOBAL_DEFS: Final = _words(
    """
    tmp_config_directory config_save_dir process_names process_name vrrp_process_name checker_process_name
    bfd_process_name startup_script startup_script_timeout shutdown_script shutdown_script_timeout
    notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert
    smtp_alert_vrrp smtp_alert_checker checker_log_all_failures no_email_faults vrrp_mcast_group4
    vrrp_mcast_group6 default_interface lvs_sync_daemon lvs_sync_daemon_interface lvs_timeouts lvs_flush
    lvs_flush_on_stop vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_lower_prio_delay
    vrrp_garp_lower_prio_repeat vrrp_down_timer_adverts vrrp_garp_master_refresh
    vrrp_garp_master_refresh_repeat vrrp_garp_interval vrrp_gna_interval vrrp_min_garp vrrp_garp_extra_if
    vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert vrrp_owner_ignore_adverts nftables
    nftables_priority nftables_counters nftables_ifindex nftables_ipvs nftables_ipvs_priority
    nftables_ipvs_start_fwmark vrrp_iptables vrrp_ipsets disable_local_igmp vrrp_check_unicast_src
    vrrp_skip_check_adv_addr vrrp_strict vrrp_notify_priority_changes max_auto_priority
    min_auto_priority_delay vrrp_priority checker_priority bfd_priority vrrp_no_swap checker_no_swap
    bfd_no_swap vrrp_cpu_affinity checker_cpu_affinity bfd_cpu_affinity vrrp_rt_priority
    checker_rt_priority bfd_rt_priority vrrp_rlimit_rttime checker_rlimit_rttime bfd_rlimit_rttime
    snmp_socket enable_snmp_vrrp enable_snmp_keepalived enable_snmp_checker enable_snmp_rfc
    enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps enable_dbus dbus_service_name script_user
    enable_script_security notify_fifo notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script
    lvs_notify_fifo lvs_notify_fifo_script fifo_write_vrrp_states_on_reload dynamic_interfaces
    vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs
    vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force
    lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs
    process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier rs_init_notifies
    no_checker_emails umask vrrp_startup_delay vrrp_delay_after_boot log_unknown_vrids vmac_prefix
    vmac_addr_prefix random_seed reload_check_config include_check reload_time_file reload_repeat
    reload_file data_use_instance json_version v3_checksum_as_v2 state_dump_file stats_dump_file
    json_dump_file use_symlink_paths
    """
)

VRRP_INSTANCE: Final = _words(
    """
    vrf use_vmac use_vmac_addr vmac_xmit_base use_ipvlan native_ipv6 dont_track_primary track_interface
    track_script track_file track_process track_bfd mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip
    check_unicast_src unicast_peer unicast_fault_no_peer unicast_ttl old_unicast_checksum
    garp_master_delay garp_master_repeat garp_lower_prio_delay garp_lower_prio_repeat garp_master_refresh
    garp_master_refresh_repeat garp_extra_if down_timer_adverts lower_prio_no_advert
    higher_prio_send_advert owner_ignore_adverts authentication auth_hmac virtual_ipaddress_excluded
    no_virtual_ipaddress promote_secondaries virtual_routes virtual_rules accept no_accept preempt
    preempt_delay timer_expired_backup skip_check_adv_addr strict_mode debug notify_master notify_backup
    notify_fault notify_stop notify_deleted notify notify_master_rx_lower_pri notify_priority_changes
    smtp_alert kernel_rx_buf_size linkbeat_use_polling v3_checksum_as_v2 lvs_sync_daemon_interface
    """
)

VIRTUAL_ADDRESS: Final = _words(
    """
    brd broadcast scope label peer home -nodad mngtmpaddr noprefixroute autojoin no_track preferred_lft
    use_vmac track_group
    """
)
"""Words that may follow a virtual address."""

VIRTUAL_SERVER: Final = _words(
    """
    flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback ops persistence_engine
    persistence_granularity ha_suspend smtp_alert virtualhost snmp_name alpha omega quorum hysteresis
    quorum_up quorum_down ip_family sorry_server sorry_server_inhibit sorry_server_lvs_method
    connect_timeout retry delay_before_retry warmup inhibit_on_failure weight
    """
)

REAL_SERVER: Final = _words(
    """
    lvs_method lb_kind notify_up notify_down uthreshold lthreshold smtp_alert virtualhost snmp_name alpha
    connect_timeout retry delay_before_retry warmup delay_loop inhibit_on_failure HTTP_GET SSL_GET
    SMTP_CHECK DNS_CHECK MISC_CHECK BFD_CHECK UDP_CHECK PING_CHECK FILE_CHECK
    """
)

TCP_CHECK: Final = _words(
    "connect_ip bindto bind_if bind_port fwmark alpha warmup delay_loop log_all_failures"
)
