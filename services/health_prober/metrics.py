"""What an operator would ask a prober: how much it probes, how late, and what came of it."""

from vipbus.telemetry.metrics import REGISTRY

PROBES = REGISTRY.counter("vipbus_probes_total", "Attempts that ended, by result: success, failure, local")
PROBES_IN_FLIGHT = REGISTRY.gauge("vipbus_probes_in_flight", "Attempts that are waiting for an answer")
PROBE_LATENESS = REGISTRY.histogram(
    "vipbus_probe_lateness_seconds", "How long after its time an attempt began"
)
PROBE_DURATION = REGISTRY.histogram(
    "vipbus_probe_duration_seconds", "How long an attempt took until it was answered, refused or timed out"
)
TARGETS = REGISTRY.gauge("vipbus_prober_targets", "Real servers of virtual servers that this replica leads")
CHECKS = REGISTRY.gauge("vipbus_prober_checks", "Distinct checks that this replica runs")
MEMBERS = REGISTRY.gauge("vipbus_prober_members", "Replicas that hold a lease, as this one sees it")
VERDICT_CHANGES = REGISTRY.counter("vipbus_verdict_changes_total", "Verdicts said anew, by verdict")
WRITES_REFUSED = REGISTRY.counter(
    "vipbus_stale_verdicts_refused_total", "Verdicts not written because a newer owner had written the key"
)
LEASES_LOST = REGISTRY.counter("vipbus_prober_leases_lost_total", "Leases that ended without being given up")
