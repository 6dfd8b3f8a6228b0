"""The metrics that every service has."""

from vipbus.telemetry.metrics import REGISTRY

BUS_CONNECTED = REGISTRY.gauge("vipbus_bus_connected", "1 while connected to the bus, 0 while it is away")
BUS_RECONNECTS = REGISTRY.counter("vipbus_bus_reconnects_total", "Connections made again after a loss")
BUS_MESSAGES_DROPPED = REGISTRY.counter(
    "vipbus_bus_messages_dropped_total", "Messages lost by the client; each loss forces a whole new read"
)
BUS_WRITES = REGISTRY.counter("vipbus_bus_writes_total", "Writes to a bucket, by bucket and result")
SERVICE_READY = REGISTRY.gauge("vipbus_service_ready", "1 while the service reports itself ready")
LOG_LINES_DROPPED = REGISTRY.counter(
    "vipbus_log_lines_dropped_total", "Log lines dropped because stderr did not take them"
)
