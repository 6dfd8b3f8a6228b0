"""The keywords of ``global_defs`` (keepalived.conf(5))."""

from __future__ import annotations

from typing import Any, Final

from config_service.keepalived import fields, garp, ipvs_globals, left_out, mail, programs, values
from config_service.keepalived.defaults import Defaults
from config_service.keepalived.parser import Statement
from config_service.keepalived.programs import ProgramLine
from config_service.keepalived.schema import Draft, Keyword, Table, declare, read_block, within
from config_service.problems import RefusedError, quoted
from config_service.report import Report

_PREFIX: Final = 13
"""Characters of a virtual MAC's name before ``.`` and one digit of the VRID."""
_NFTABLES: Final = "vipbus makes a table of nftables of its own where it needs one"


class SettingsDraft:
    """What the whole agent is told; fields as in `vipbus.contracts.VrrpSettings`."""

    def __init__(self) -> None:
        self.startup_delay = 0.0
        self.delay_after_boot = 0.0
        self.dynamic_interfaces = False
        self.rt_priority: int | None = None
        self.rlimit_rttime: int | None = None
        self.nice: int | None = None
        self.no_swap = True
        self.cpu_affinity: tuple[int, ...] = ()
        self.script_user: tuple[str, str | None] | None = None
        self.script_security = False
        self.fifo: str | None = None
        self.fifo_script: ProgramLine | None = None
        self.vrrp_fifo: str | None = None
        self.vrrp_fifo_script: ProgramLine | None = None
        self.fifo_states_on_reload = False
        self.log_unknown_vrids = False


class GlobalDraft(Draft):
    """What ``global_defs`` says."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(statement)
        self.router_id: str | None = None
        self.defaults = Defaults()
        self.settings = SettingsDraft()
        self.mail = mail.MailDraft()
        self.ipvs = ipvs_globals.IpvsDraft()


def _group(version: int) -> Any:
    def read(word: str) -> str:
        found = values.multicast(word)
        if found.version != version:
            raise RefusedError(f"{found.text} is no IPv{version} group")
        return found.text

    return read


def _vmac_prefix(word: str) -> str:
    if len(word) > _PREFIX:
        raise RefusedError(
            f"{quoted(word)} is too long for an interface's name; {_PREFIX} characters at most"
        )
    return values.interface(word)


DEFAULTS: Final[dict[str, Keyword[Any]]] = {
    "vrrp_version": Keyword(
        "vrrp_version 2|3",
        lambda part, line, _: setattr(part, "version", values.integer(line.arguments[0], 2, 3)),
    ),
    "vrrp_strict": fields.boolean("vrrp_strict", "strict"),
    "vrrp_down_timer_adverts": fields.whole("vrrp_down_timer_adverts", "down_timer_adverts", 1, 100),
    "vrrp_lower_prio_no_advert": fields.boolean("vrrp_lower_prio_no_advert", "lower_prio_no_advert"),
    "vrrp_higher_prio_send_advert": fields.boolean("vrrp_higher_prio_send_advert", "higher_prio_send_advert"),
    "vrrp_owner_ignore_adverts": fields.boolean("vrrp_owner_ignore_adverts", "owner_ignore_adverts"),
    "vrrp_check_unicast_src": fields.boolean("vrrp_check_unicast_src", "check_unicast_source"),
    "v3_checksum_as_v2": fields.boolean("v3_checksum_as_v2", "checksum_as_v2"),
    "vrrp_mcast_group4": fields.word("vrrp_mcast_group4", "ADDRESS", "multicast_group4", _group(4)),
    "vrrp_mcast_group6": fields.word("vrrp_mcast_group6", "ADDRESS", "multicast_group6", _group(6)),
    "vrrp_notify_priority_changes": fields.boolean("vrrp_notify_priority_changes", "notify_priority_changes"),
    "smtp_alert": fields.boolean("smtp_alert", "mail"),
    "smtp_alert_vrrp": fields.boolean("smtp_alert_vrrp", "vrrp_mail"),
    "default_interface": fields.word("default_interface", "NAME", "interface", values.interface),
    "vmac_prefix": fields.word("vmac_prefix", "PREFIX", "vmac_prefix", _vmac_prefix),
}


def _cpu_affinity(part: SettingsDraft, statement: Statement, _report: Report) -> None:
    part.cpu_affinity = tuple(sorted({values.integer(word, 0, 1023) for word in statement.arguments}))


def _dynamic_interfaces(part: SettingsDraft, statement: Statement, _report: Report) -> None:
    if statement.arguments:
        values.choice(statement.arguments[0], ("allow_if_changes",))
    part.dynamic_interfaces = True


def _script_user(part: SettingsDraft, statement: Statement, _report: Report) -> None:
    part.script_user = programs.user_and_group(statement.arguments)


SETTINGS: Final[dict[str, Keyword[Any]]] = {
    "vrrp_startup_delay": fields.seconds("vrrp_startup_delay", "startup_delay", "0.001", "4294.967295"),
    "vrrp_delay_after_boot": fields.seconds(
        "vrrp_delay_after_boot", "delay_after_boot", "0.001", "4294.967295"
    ),
    "dynamic_interfaces": Keyword("dynamic_interfaces [allow_if_changes]", _dynamic_interfaces, least=0),
    "vrrp_priority": fields.whole("vrrp_priority", "nice", -20, 19),
    "vrrp_rt_priority": fields.whole("vrrp_rt_priority", "rt_priority", 0, 99),
    "vrrp_rlimit_rttime": fields.whole("vrrp_rlimit_rttime", "rlimit_rttime", 1, 2**32 - 1),
    "vrrp_rlimit_rtime": fields.whole("vrrp_rlimit_rtime", "rlimit_rttime", 1, 2**32 - 1),
    "vrrp_no_swap": fields.boolean("vrrp_no_swap", "no_swap"),
    "vrrp_cpu_affinity": Keyword("vrrp_cpu_affinity CPU [CPU ...]", _cpu_affinity, most=1024),
    "script_user": Keyword("script_user USER [GROUP]", _script_user, most=2),
    "enable_script_security": fields.boolean("enable_script_security", "script_security"),
    "notify_fifo": programs.fifo("notify_fifo", "fifo"),
    "notify_fifo_script": programs.keyword("notify_fifo_script", "fifo_script"),
    "vrrp_notify_fifo": programs.fifo("vrrp_notify_fifo", "vrrp_fifo"),
    "vrrp_notify_fifo_script": programs.keyword("vrrp_notify_fifo_script", "vrrp_fifo_script"),
    "fifo_write_vrrp_states_on_reload": fields.boolean(
        "fifo_write_vrrp_states_on_reload", "fifo_states_on_reload"
    ),
    "log_unknown_vrids": fields.boolean("log_unknown_vrids", "log_unknown_vrids"),
}

WITHOUT_EFFECT: Final[dict[str, Keyword[Any]]] = {
    word: fields.without_effect(word, why)
    for words, why in (
        ("vrrp_skip_check_adv_addr", left_out.COMPARED),
        ("nftables nftables_priority nftables_counters nftables_ifindex", _NFTABLES),
        ("vrrp_iptables vrrp_ipsets", _NFTABLES),
        ("disable_local_igmp", "its joins go out where the instance's own packets do"),
        (
            "max_auto_priority min_auto_priority_delay",
            "the agent has real-time priority from the start; vrrp_rt_priority says which",
        ),
        ("tmp_config_directory config_save_dir", "every revision is on the bus, and no copy is written"),
        (
            "process_names process_name vrrp_process_name checker_process_name bfd_process_name",
            "each process has its service's name",
        ),
        ("vmac_addr_prefix", "vmac_prefix begins the names of all these devices"),
        (
            (
                "vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs "
                "vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force "
                "lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs "
                "process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier"
            ),
            left_out.BUFFERS,
        ),
        ("reload_check_config", "every file is checked whole before any of it is taken"),
        (
            "data_use_instance json_version state_dump_file stats_dump_file json_dump_file",
            "there is no dump; vipbus status --json and the bus have all states",
        ),
        (
            "checker_log_all_failures",
            "a verdict names the last cause, and vipbus probe shows each attempt",
        ),
    )
    for word in words.split()
}


def _done_already(_draft: GlobalDraft, _statement: Statement, _report: Report) -> None:
    """Take what acts on the text that follows it, before there are words (`expand`)."""


def _random_seed(_draft: GlobalDraft, statement: Statement, _report: Report) -> None:
    values.integer(statement.arguments[0], 0, 2**32 - 1)


def _router_id(draft: GlobalDraft, statement: Statement, _report: Report) -> None:
    draft.router_id = values.name(statement.arguments[0])


GLOBAL_DEFS: Final = declare(
    Table(
        "global_defs",
        {
            "router_id": Keyword("router_id NAME", _router_id),
            "include_check": Keyword(
                "include_check [[+|-]CHECK ...]", _done_already, least=0, most=8, repeats=True
            ),
            "random_seed": Keyword("random_seed NUMBER", _random_seed),
            **within(lambda draft: draft.defaults, DEFAULTS),
            **within(lambda draft: draft.defaults.garp, garp.GLOBAL),
            **within(lambda draft: draft.settings, SETTINGS),
            **within(lambda draft: draft.mail, mail.KEYWORDS),
            **within(lambda draft: draft.ipvs, ipvs_globals.KEYWORDS),
            **WITHOUT_EFFECT,
        },
        left_out.GLOBAL_DEFS,
    )
)


def read_globals(draft: GlobalDraft, statement: Statement, report: Report) -> None:
    """Read a ``global_defs`` block."""
    read_block(statement.block or (), GLOBAL_DEFS, draft, report)
