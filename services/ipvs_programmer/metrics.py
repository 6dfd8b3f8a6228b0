"""What an operator would ask of the programmer."""

from vipbus.telemetry.metrics import REGISTRY

OPERATIONS = REGISTRY.counter(
    "vipbus_ipvs_operations_total", "Operations on the kernel's table, by kind and result"
)
RECONCILE_SECONDS = REGISTRY.histogram(
    "vipbus_ipvs_reconcile_seconds", "From a wake-up to the table written, read back not included"
)
WRITE_SECONDS = REGISTRY.histogram(
    "vipbus_ipvs_write_seconds", "One batch of operations, packed and acknowledged by the kernel"
)
DRIFT_REPAIRS = REGISTRY.counter(
    "vipbus_ipvs_drift_repairs_total", "Virtual servers that someone else had changed and that were put right"
)
SUSPECTED = REGISTRY.counter(
    "vipbus_ipvs_destinations_suspected_total",
    "Hints that a real server may be dead, from the kernel's count of inactive connections",
)
NOTIFICATIONS = REGISTRY.counter(
    "vipbus_ipvs_notifications_total",
    "Notifications of pools, by way (program, fifo) and outcome: delivered, failed or dropped",
)
NOTIFICATIONS_WAITING = REGISTRY.gauge(
    "vipbus_ipvs_notifications_waiting",
    "Notifications of pools that wait for the one before or for room in the pipe, by way",
)
SERVICES = REGISTRY.gauge("vipbus_ipvs_services", "Own services in the kernel")
DESTINATIONS = REGISTRY.gauge("vipbus_ipvs_destinations", "Destinations of own services in the kernel")
