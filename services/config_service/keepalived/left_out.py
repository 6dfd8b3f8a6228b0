"""Keywords that keepalived has and vipbus leaves out on purpose, with the reason, by block.

Each is a warning with its place: a file that runs keepalived runs vipbus too, and says what it goes without.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

SNMP: Final = "numbers are read as Prometheus metrics or by vipbus status, and changes are events on the bus"
_DBUS: Final = "the bus has every state and every change, and commands"
_POLLING: Final = "the kernel tells of link changes by netlink, and the interfaces that did not are gone"
_NFTABLES: Final = (
    "each address of a group is a service of its own; mark the packets where many are to be one"
)
BUFFERS: Final = "the agent reads at once what comes, and asks again for all where the kernel dropped some"
COMPARED: Final = "the list of addresses is compared only to tell of a difference, which costs little"
_BFD: Final = "vipbus has no BFD"
_CHECKER: Final = "a prober is a process of its own; give it Nice=, CPUAffinity= and the like in its unit"
_BFD_PROCESS: Final = "vipbus has no BFD, so no process of it"
_SCRIPT: Final = (
    "the service manager runs what goes before and after; name it in ExecStartPre= and ExecStopPost="
)
_FILES: Final = "vipbus keeps its files in --state-dir, one directory an instance"
_RELOAD: Final = "a file is read on SIGHUP or by vipbus config reload, which answers when it is in force"


def _each(words: str, why: str) -> Iterable[tuple[str, str]]:
    return ((word, why) for word in words.split())


TOP: Final[dict[str, str]] = {
    **dict(_each("linkbeat_use_polling linkbeat_interfaces", _POLLING)),
    "net_namespace": "each service runs where it is started; start vipbus in the namespace (ip netns exec)",
    "net_namespace_ipvs": "the table stands where ipvs-programmer runs; start that in the namespace",
    "namespace_with_ipsets": "vipbus makes a table of nftables of its own where it needs one",
    **dict(_each("instance use_pid_dir", _FILES)),
    "child_wait_time": "each service has a time of its own to stop in, and tells its peers first",
    "bfd_instance": f"{_BFD}; what tracks this instance goes without",
}

GLOBAL_DEFS: Final[dict[str, str]] = {
    **dict(
        _each(
            "snmp_socket enable_snmp_vrrp enable_snmp_keepalived enable_snmp_checker enable_snmp_rfc "
            "enable_snmp_rfcv2 enable_snmp_rfcv3 enable_traps",
            SNMP,
        )
    ),
    **dict(_each("enable_dbus dbus_service_name dbus_no_interface_name", _DBUS)),
    **dict(_each("nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark", _NFTABLES)),
    **dict(_each("startup_script startup_script_timeout shutdown_script shutdown_script_timeout", _SCRIPT)),
    **dict(
        _each(
            "checker_priority checker_no_swap checker_cpu_affinity checker_rt_priority "
            "checker_rlimit_rttime checker_rlimit_rtime",
            _CHECKER,
        )
    ),
    **dict(
        _each(
            "bfd_priority bfd_no_swap bfd_cpu_affinity bfd_rt_priority bfd_rlimit_rttime bfd_rlimit_rtime",
            _BFD_PROCESS,
        )
    ),
    "umask": "each file that vipbus makes has a mode of its own",
    **dict(_each("reload_time_file reload_repeat reload_file", _RELOAD)),
    "use_symlink_paths": "a program is run by the path that is written, as with use_symlink_paths",
    "set_supplementary_groups": "a program runs with its user's group or the one that is named, and no other",
    **dict(_each("net_namespace_ipvs", TOP["net_namespace_ipvs"])),
}

VRRP_INSTANCE: Final[dict[str, str]] = {
    "linkbeat_use_polling": _POLLING,
    "track_bfd": f"{_BFD}; what is named here is not tracked, and this instance goes on without",
}

SYNC_GROUP: Final[dict[str, str]] = {
    "track_bfd": f"{_BFD}; what is named here is not tracked, and this group goes on without",
    "notify_deleted": "only keepalived's manual has it here; an instance's own says when it is deleted",
}

REAL_SERVER: Final[dict[str, str]] = {
    "BFD_CHECK": f"{_BFD}; this real server is not checked by it, add a TCP_CHECK or another",
}

FILE_CHECK: Final[dict[str, str]] = {
    "dynamic": "only keepalived's manual has it; what the file says times its weight is added in any case"
}

SSL: Final[dict[str, str]] = {
    "password": "no password of a key stands in a configuration; write the key without one, for root alone"
}
