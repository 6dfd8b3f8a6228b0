"""What the agent counts."""

from vipbus.telemetry.metrics import REGISTRY

ADVERTISEMENTS_SENT = REGISTRY.counter(
    "vipbus_vrrp_advertisements_sent_total", "Advertisements sent, by instance; priority 0 included"
)
ADVERTISEMENTS_RECEIVED = REGISTRY.counter(
    "vipbus_vrrp_advertisements_received_total", "Valid advertisements received, by instance"
)
PACKETS_DROPPED = REGISTRY.counter(
    "vipbus_vrrp_packets_dropped_total",
    "Packets that were meant for no instance here, by interface and reason",
)
ADVERTISEMENTS_DROPPED = REGISTRY.counter(
    "vipbus_vrrp_advertisements_dropped_total",
    "Packets for the virtual router of an instance that it could not take, by instance and reason",
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
PRIORITY = REGISTRY.gauge(
    "vipbus_vrrp_effective_priority", "What an instance advertises, with what its tracked sources add"
)
LATENESS = REGISTRY.histogram(
    "vipbus_vrrp_advertisement_lateness_seconds",
    "How long after its time an advertisement was sent, by instance",
    (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0),
)
LATENESS_MAX = REGISTRY.gauge(
    "vipbus_vrrp_advertisement_lateness_max_seconds",
    "The longest that an advertisement was late since the agent started, by instance",
)
ARM_WAIT = REGISTRY.histogram(
    "vipbus_vrrp_arm_wait_seconds", "How long addresses waited for the table behind them, by outcome"
)
ARMED = REGISTRY.counter(
    "vipbus_vrrp_arm_outcomes_total", "How waits for the table ended: armed, failed, timeout or no bus"
)
SCRIPT_RUNS = REGISTRY.counter(
    "vipbus_vrrp_script_runs_total",
    "Runs of tracked scripts, by script and result: success, failure, timeout, not run or lost",
)
SCRIPTS_LATE = REGISTRY.counter(
    "vipbus_vrrp_scripts_late_total", "Tracked scripts that started over 0.1 s after their time, by script"
)
SCRIPTS_OVERLAPPED = REGISTRY.counter(
    "vipbus_vrrp_scripts_overlapped_total",
    "Times that a tracked script was not started because it still ran, by script",
)
NOTIFICATIONS = REGISTRY.counter(
    "vipbus_vrrp_notifications_total",
    "Notifications, by way (program, fifo, mail) and outcome: delivered, failed or dropped",
)
NOTIFICATIONS_WAITING = REGISTRY.gauge(
    "vipbus_vrrp_notifications_waiting",
    "Notifications that wait for the one before, for room in a pipe or for a mail server, by way",
)
