"""What the agent counts."""

from vipbus.telemetry.metrics import REGISTRY

ADVERTISEMENTS_SENT = REGISTRY.counter(
    "vipbus_vrrp_advertisements_sent_total", "Advertisements sent, by instance; priority 0 included"
)
ADVERTISEMENTS_RECEIVED = REGISTRY.counter(
    "vipbus_vrrp_advertisements_received_total", "Valid advertisements received, by instance"
)
PACKETS_DROPPED = REGISTRY.counter(
    "vipbus_vrrp_packets_dropped_total", "Packets that were no advertisement for us, by interface and reason"
)
SEND_ERRORS = REGISTRY.counter(
    "vipbus_vrrp_send_errors_total", "Advertisements that the kernel did not take, by instance"
)
ADDRESS_LIST_MISMATCHES = REGISTRY.counter(
    "vipbus_vrrp_address_list_mismatches_total",
    "Advertisements that name other virtual addresses than ours, by instance; they count all the same",
)
TRANSITIONS = REGISTRY.counter("vipbus_vrrp_transitions_total", "Role changes, by instance and new role")
ROLE = REGISTRY.gauge("vipbus_vrrp_role", "1 for the role that an instance has, 0 for the others")
LATENESS = REGISTRY.histogram(
    "vipbus_vrrp_advertisement_lateness_seconds",
    "How long after its time an advertisement was sent, by instance",
    (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0),
)
ARM_WAIT = REGISTRY.histogram(
    "vipbus_vrrp_arm_wait_seconds", "How long addresses waited for the table behind them, by outcome"
)
ARMED = REGISTRY.counter(
    "vipbus_vrrp_arm_outcomes_total", "How waits for the table ended: armed, failed, timeout or no bus"
)
