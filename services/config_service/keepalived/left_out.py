"""Keywords that keepalived has and vipbus leaves out on purpose, with the reason, by block."""

from __future__ import annotations

from typing import Final

SNMP: Final = "numbers are read as Prometheus metrics or by vipbus status, and changes are events on the bus"
_DBUS: Final = "the bus has every state and every change, and commands"
_POLLING: Final = "the kernel tells of link changes by netlink, and the interfaces that did not are gone"

_NFTABLES: Final = (
    "each address of a group is a service of its own; mark the packets where many are to be one"
)

TOP: Final[dict[str, str]] = {
    "linkbeat_use_polling": _POLLING,
    "linkbeat_interfaces": _POLLING,
    "net_namespace_ipvs": "the table stands where ipvs-programmer runs; start that in the namespace",
}

GLOBAL_DEFS: Final[dict[str, str]] = {
    "snmp_socket": SNMP,
    "enable_snmp_vrrp": SNMP,
    "enable_snmp_keepalived": SNMP,
    "enable_snmp_checker": SNMP,
    "enable_snmp_rfc": SNMP,
    "enable_snmp_rfcv2": SNMP,
    "enable_snmp_rfcv3": SNMP,
    "enable_traps": SNMP,
    "enable_dbus": _DBUS,
    "dbus_service_name": _DBUS,
    "dbus_no_interface_name": _DBUS,
    "nftables_ipvs": _NFTABLES,
    "nftables_ipvs_priority": _NFTABLES,
    "nftables_ipvs_start_fwmark": _NFTABLES,
}

VRRP_INSTANCE: Final[dict[str, str]] = {"linkbeat_use_polling": _POLLING}

SSL: Final[dict[str, str]] = {
    "password": "no password of a key stands in a configuration; write the key without one, for root alone"
}
