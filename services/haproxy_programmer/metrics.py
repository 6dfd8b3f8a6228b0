"""What an operator would ask of the programmer."""

from vipbus.telemetry.metrics import REGISTRY

COMMANDS = REGISTRY.counter("vipbus_haproxy_commands_total", "Runtime commands, by result: done or refused")
RELOADS = REGISTRY.counter("vipbus_haproxy_reloads_total", "Reloads, by result: done, refused or failed")
STARTS = REGISTRY.counter("vipbus_haproxy_starts_total", "Starts of the HAProxy process")
APPLY_SECONDS = REGISTRY.histogram(
    "vipbus_haproxy_apply_seconds", "From a wake-up to the runtime commands taken and read back"
)
RELOAD_SECONDS = REGISTRY.histogram(
    "vipbus_haproxy_reload_seconds", "From the check of a new file to the new worker's answer"
)
MEMBERS = REGISTRY.gauge("vipbus_haproxy_members", "Members that HAProxy holds, by pool and state")
ANSWERS = REGISTRY.gauge("vipbus_haproxy_answers", "1 while HAProxy answers on its statistics socket, else 0")
