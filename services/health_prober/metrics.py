"""What an operator would ask a prober: how much it probes, how late, and what came of it."""

from vipbus.telemetry.metrics import REGISTRY

PROBES = REGISTRY.counter(
    "vipbus_probes_total", "Attempts that ended, by kind of check and result: success, failure, local"
)
PROBES_IN_FLIGHT = REGISTRY.gauge("vipbus_probes_in_flight", "Attempts that are waiting for an answer")
PROBE_LATENESS = REGISTRY.histogram(
    "vipbus_probe_lateness_seconds", "How long after its time an attempt began"
)
ROUNDS_SKIPPED = REGISTRY.counter(
    "vipbus_probe_rounds_skipped_total", "Rounds left out because the prober was later than their interval"
)
PROBE_DURATION = REGISTRY.histogram(
    "vipbus_probe_duration_seconds",
    "How long an attempt took until it was answered, refused or timed out, by kind",
)
HINTS = REGISTRY.counter(
    "vipbus_prober_hints_total", "Hints from routers that made a real server's checks run at once"
)
TARGETS = REGISTRY.gauge("vipbus_prober_targets", "Real servers of virtual servers that this replica leads")
CHECKS = REGISTRY.gauge("vipbus_prober_checks", "Distinct checks that this replica runs")
MEMBERS = REGISTRY.gauge("vipbus_prober_members", "Replicas that hold a lease, as this one sees it")
VERDICT_CHANGES = REGISTRY.counter("vipbus_verdict_changes_total", "Verdicts said anew, by verdict")
OPINIONS = REGISTRY.counter(
    "vipbus_prober_opinions_total", "Opinions said of real servers that several replicas check, by verdict"
)
VERDICTS = REGISTRY.gauge(
    "vipbus_prober_verdicts", "Real servers of virtual servers that this replica leads, by verdict"
)
SPLIT = REGISTRY.gauge(
    "vipbus_prober_no_majority", "Real servers whose verdict stays for want of a majority of their probers"
)
MINORITY = REGISTRY.gauge("vipbus_prober_minority_votes", "Votes against the verdicts of this replica")
DAMPED = REGISTRY.gauge("vipbus_prober_damped", "Real servers that are kept down for flapping")
WRITES_REFUSED = REGISTRY.counter(
    "vipbus_stale_verdicts_refused_total", "Verdicts not written because a newer owner had written the key"
)
LEASES_LOST = REGISTRY.counter("vipbus_prober_leases_lost_total", "Leases that ended without being given up")
