"""The keywords of keepalived.conf(5) of 2.2.7, block by block, and those of newer versions.

Written down from the manual page, apart from the parser, so that both can be held against each other.
"""

from __future__ import annotations

from typing import Final

_CONNECTION: Final = "connect_ip connect_port bindto bind_if bind_port fwmark connect_timeout"
_TIMING: Final = "alpha retry delay_before_retry warmup delay_loop log_all_failures"
_KNOBS: Final = f"{_CONNECTION} {_TIMING}"
_AROUND: Final = "connect_timeout retry delay_before_retry warmup delay_loop virtualhost alpha"
_URLS: Final = f"{_KNOBS} http_protocol fast_recovery url"

MANUAL: Final[dict[str, str]] = {
    "any line": """
        include includer includem includew includeb includea @ID @^ID $NAME= $NAME ${NAME} ${_PWD}
        ${_INSTANCE} ${_RANDOM} ${_HASH} ${_BANG} ~SEQ ~SEQx ~LST
    """,
    "": """
        net_namespace net_namespace_ipvs namespace_with_ipsets instance use_pid_dir
        linkbeat_use_polling child_wait_time global_defs linkbeat_interfaces track_group
        static_ipaddress static_routes static_rules track_file vrrp_track_file vrrp_track_process
        bfd_instance vrrp_script vrrp_sync_group garp_group vrrp_instance interface_up_down_delays
        virtual_server_group virtual_server SSL
    """,
    "global_defs": """
        tmp_config_directory config_save_dir process_names process_name vrrp_process_name
        checker_process_name bfd_process_name startup_script startup_script_timeout shutdown_script
        shutdown_script_timeout notification_email notification_email_from smtp_server
        smtp_helo_name smtp_connect_timeout smtp_alert smtp_alert_vrrp smtp_alert_checker
        checker_log_all_failures no_email_faults router_id vrrp_mcast_group4 vrrp_mcast_group6
        default_interface lvs_sync_daemon lvs_timeouts lvs_flush lvs_flush_on_stop
        vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_lower_prio_delay
        vrrp_down_timer_adverts vrrp_garp_lower_prio_repeat vrrp_garp_master_refresh
        vrrp_garp_master_refresh_repeat vrrp_garp_interval vrrp_gna_interval vrrp_min_garp
        vrrp_garp_extra_if vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert vrrp_version
        nftables nftables_priority nftables_counters nftables_ifindex nftables_ipvs
        nftables_ipvs_priority nftables_ipvs_start_fwmark vrrp_iptables vrrp_ipsets
        disable_local_igmp vrrp_check_unicast_src vrrp_skip_check_adv_addr vrrp_strict
        vrrp_notify_priority_changes max_auto_priority min_auto_priority_delay vrrp_priority
        checker_priority bfd_priority vrrp_no_swap checker_no_swap bfd_no_swap vrrp_cpu_affinity
        checker_cpu_affinity bfd_cpu_affinity vrrp_rt_priority checker_rt_priority bfd_rt_priority
        vrrp_rlimit_rttime checker_rlimit_rttime bfd_rlimit_rttime snmp_socket enable_snmp_vrrp
        enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps
        enable_dbus dbus_service_name script_user enable_script_security notify_fifo
        notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script lvs_notify_fifo
        lvs_notify_fifo_script fifo_write_vrrp_states_on_reload dynamic_interfaces
        vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs
        vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force
        lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs
        process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier rs_init_notifies
        no_checker_emails umask vrrp_startup_delay log_unknown_vrids vmac_prefix vmac_addr_prefix
        random_seed reload_check_config include_check reload_time_file reload_repeat reload_file
        data_use_instance
    """,
    "bfd_instance": """
        neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit
        max_hops weight vrrp checker
    """,
    "track_group": "group",
    "track_file": "file weight init_file",
    "vrrp_track_process": """
        process param_match weight quorum quorum_max fork_delay terminate_delay delay full_command
    """,
    "vrrp_script": "script interval timeout weight rise fall user init_fail",
    "garp_group": "garp_interval gna_interval interface interfaces",
    "vrrp_sync_group": """
        group track_interface track_script track_file track_process track_bfd notify_master
        notify_backup notify_fault notify_stop notify_deleted notify notify_priority_changes
        smtp_alert global_tracking sync_group_tracking_weight
    """,
    "vrrp_instance": """
        state interface vrf use_vmac use_vmac_addr vmac_xmit_base use_ipvlan native_ipv6
        dont_track_primary track_interface track_script track_file track_process track_bfd
        mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip version check_unicast_src unicast_peer
        unicast_fault_no_peer unicast_ttl old_unicast_checksum garp_master_delay garp_master_repeat
        garp_lower_prio_delay garp_lower_prio_repeat garp_master_refresh garp_master_refresh_repeat
        garp_extra_if down_timer_adverts lower_prio_no_advert higher_prio_send_advert
        virtual_router_id priority advert_int authentication virtual_ipaddress
        virtual_ipaddress_excluded promote_secondaries virtual_routes virtual_rules accept no_accept
        nopreempt preempt preempt_delay skip_check_adv_addr strict_mode debug notify_master
        notify_backup notify_fault notify_stop notify notify_master_rx_lower_pri
        notify_priority_changes smtp_alert kernel_rx_buf_size linkbeat_use_polling notify_deleted
    """,
    "authentication": "auth_type auth_pass",
    "a tracked name": "weight reverse noreverse no_reverse",
    "a unicast peer": "min_ttl max_ttl",
    "an address": """
        brd dev use_vmac scope label peer home -nodad mngtmpaddr noprefixroute autojoin no_track
        track_group preferred_lft
    """,
    "a route": """
        via gw or dev scope table src to nexthop onlink weight tos protocol priority mtu hoplimit
        advmss rtt rttvar reordering window cwnd ssthresh lock realms rto_min initcwnd initrwnd vrf
        features append fastopen_no_cookie no_track track_group inet6
    """,
    "a rule": """
        from to table iif oif tos fwmark preference realms goto uidrange l3mdev protocol ip_proto
        sport dport no_track track_group inet6
    """,
    "virtual_server_group": "fwmark inet inet6",
    "virtual_server": f"""
        lvs_sched flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback ops lvs_method
        persistence_engine persistence_timeout persistence_granularity protocol ha_suspend
        smtp_alert snmp_name omega quorum hysteresis quorum_up quorum_down ip_family sorry_server
        sorry_server_inhibit sorry_server_lvs_method inhibit_on_failure real_server {_AROUND}
    """,
    "real_server": f"""
        weight lvs_method notify_up notify_down uthreshold lthreshold smtp_alert snmp_name
        inhibit_on_failure HTTP_GET SSL_GET TCP_CHECK SMTP_CHECK DNS_CHECK MISC_CHECK BFD_CHECK
        UDP_CHECK PING_CHECK FILE_CHECK {_AROUND}
    """,
    "HTTP_GET": _URLS,
    "SSL_GET": f"{_URLS} enable_sni",
    "url": """
        path digest status_code virtualhost regex regex_no_match regex_options regex_stack
        regex_min_offset regex_max_offset
    """,
    "TCP_CHECK": _KNOBS,
    "PING_CHECK": _KNOBS,
    "SMTP_CHECK": f"{_KNOBS} helo_name",
    "DNS_CHECK": f"{_KNOBS} type name",
    "MISC_CHECK": f"{_TIMING} misc_path misc_timeout misc_dynamic user",
    "BFD_CHECK": "name",
    "UDP_CHECK": f"{_KNOBS} payload require_reply min_reply_length max_reply_length",
    "FILE_CHECK": "track_file dynamic weight",
    "SSL": "password ca certificate key",
}

FURTHER: Final[dict[str, str]] = {
    "any line": "${_ENV}",
    "global_defs": """
        enable_snmp_keepalived dbus_no_interface_name v3_checksum_as_v2 vrrp_owner_ignore_adverts
        vrrp_delay_after_boot json_version state_dump_file stats_dump_file json_dump_file
        use_symlink_paths set_supplementary_groups vrrp_rlimit_rtime checker_rlimit_rtime
        bfd_rlimit_rtime net_namespace_ipvs
    """,
    "bfd_instance": "multihop",
    "vrrp_instance": """
        auth_hmac v3_checksum_as_v2 owner_ignore_adverts timer_expired_backup thread_timer_expired
        no_virtual_ipaddress lvs_sync_daemon_interface vmac_garp_intvl
    """,
    "auth_hmac": "key active_key anti_replay time_window mode",
    "virtual_server": "lb_algo lb_kind weight",
    "real_server": "lb_kind",
    "HTTP_GET": "virtualhost enable_sni sni_name tls_compliant nb_get_retry",
    "SSL_GET": "virtualhost sni_name tls_compliant nb_get_retry",
    "SMTP_CHECK": "host",
}
"""Of versions after 2.2.7, and old spellings that keepalived takes and its manual has no longer."""

PROSE: Final = """
    keepalived GLOBAL BFD VRRPD LVS Global Static NOT Important Note NOTE Virtual VRRP all $var start step end
    val1 val2 val3 proxy_arp proxy_arp_pvlan ${_RANDOM
"""
"""In bold in the manual, and no keywords."""


def keywords(blocks: dict[str, str]) -> set[tuple[str, str]]:
    """Give the pairs of block and keyword."""
    return {(block, word) for block, words in blocks.items() for word in words.split()}
