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
CONNECTIONS = REGISTRY.gauge("vipbus_haproxy_connections", "Connections of clients to the running worker")
CONNECTIONS_LIMIT = REGISTRY.gauge("vipbus_haproxy_connections_limit", "Connections that a worker takes")
IDLE = REGISTRY.gauge("vipbus_haproxy_idle_ratio", "Share of its time in which the running worker is idle")
SERVERS_LEFT_OUT = REGISTRY.gauge(
    "vipbus_haproxy_servers_left_out", "Members without metrics of their own: there are more than was allowed"
)
STATISTICS = REGISTRY.counter(
    "vipbus_haproxy_statistics_total", "Reads of HAProxy's statistics, by result: done, silent or unreadable"
)
LOGS_LOST = REGISTRY.counter(
    "vipbus_haproxy_log_lines_lost_total", "Log lines that HAProxy dropped because nobody took them"
)
LOGS = REGISTRY.counter(
    "vipbus_haproxy_log_lines_total",
    "Log lines of HAProxy, by what became of them: told, dropped beyond the rate, or unreadable",
)
