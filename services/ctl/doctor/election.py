"""Do the routers hear each other? Their own counters say so, on a bus that they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ctl.doctor.finding import Finding, ok, problem, unknown
from vipbus.contracts import InstanceReport, VrrpReport

_CHECK_PATH = (
    "let IP protocol 112 through between them (firewall), and for multicast 224.0.0.18 or ff02::12 (IGMP or "
    "MLD snooping on the switch); a cloud that has no multicast needs unicast_peer"
)


def election(reports: Iterable[VrrpReport]) -> Iterator[Finding]:
    """Compare what the routers of each instance say."""
    instances: dict[str, dict[str, InstanceReport]] = {}
    for report in reports:
        for each in report.instances:
            instances.setdefault(each.instance, {})[report.router] = each
    for name, routers in sorted(instances.items()):
        yield from _instance(name, routers)


def _instance(name: str, routers: Mapping[str, InstanceReport]) -> Iterator[Finding]:
    active = sorted(router for router, each in routers.items() if each.role == "active")
    keys = {(each.virtual_router_id, each.family, each.version) for each in routers.values()}
    if len(keys) > 1:
        said = ", ".join(
            f"{router} has {each.virtual_router_id} and version {each.version}"
            for router, each in sorted(routers.items())
        )
        yield problem(
            "election", f"{name}: the routers differ in VRID or version: {said}", "configure them alike"
        )
        return
    if len(routers) == 1:
        (router,) = routers
        yield unknown(
            "election",
            f"{name}: only {router} is on this bus, so who hears whom is not known from here",
            "run it on the other router too, or give both one bus",
        )
        return
    if len(active) > 1:
        yield problem(
            "election",
            f"{name}: {' and '.join(active)} are active at once: they do not hear each other",
            _CHECK_PATH,
        )
        return
    for router, each in sorted(routers.items()):
        if each.role == "fault":
            why = "; ".join(each.faults) or each.cause
            yield problem("election", f"{name}: {router} is in fault: {why}", "mend that; the rest follows")
        elif each.role == "backup" and active:
            if each.received and each.active_router is not None:
                yield ok("election", f"{name}: {router} hears {each.active_router}")
            else:
                yield problem("election", f"{name}: {router} has heard nothing of {active[0]}", _CHECK_PATH)
    if not active:
        yield problem(
            "election",
            f"{name}: no router is active",
            "see `vipbus vrrp show`: priorities, faults, interfaces",
        )
