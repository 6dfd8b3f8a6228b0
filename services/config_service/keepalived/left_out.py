"""Keywords that keepalived has and vipbus leaves out on purpose, with the reason, by block."""

from __future__ import annotations

from typing import Final

_SNMP: Final = "numbers are read as Prometheus metrics or by vipbus status, and changes are events on the bus"
_DBUS: Final = "the bus has every state and every change, and commands"
_POLLING: Final = "the kernel tells of link changes by netlink, and the interfaces that did not are gone"

TOP: Final[dict[str, str]] = {"linkbeat_use_polling": _POLLING, "linkbeat_interfaces": _POLLING}

GLOBAL_DEFS: Final[dict[str, str]] = {
    "snmp_socket": _SNMP,
    "enable_snmp_vrrp": _SNMP,
    "enable_snmp_keepalived": _SNMP,
    "enable_snmp_checker": _SNMP,
    "enable_snmp_rfc": _SNMP,
    "enable_snmp_rfcv2": _SNMP,
    "enable_snmp_rfcv3": _SNMP,
    "enable_traps": _SNMP,
    "enable_dbus": _DBUS,
    "dbus_service_name": _DBUS,
    "dbus_no_interface_name": _DBUS,
}

VRRP_INSTANCE: Final[dict[str, str]] = {"linkbeat_use_polling": _POLLING}

SSL: Final[dict[str, str]] = {
    "password": "no password of a key stands in a configuration; write the key without one, for root alone"
}
