"""config-service's own numbers."""

from vipbus.telemetry.metrics import REGISTRY

RELOADS = REGISTRY.counter(
    "vipbus_config_reloads_total", "Files read, by router and result (accepted or refused)"
)
REVISION = REGISTRY.gauge("vipbus_config_revision", "The revision that runs, by router")
ENTITIES = REGISTRY.gauge("vipbus_config_entities", "Instances, virtual and real servers, by router")
WRITES = REGISTRY.counter("vipbus_config_writes_total", "Keys written or deleted, by router")
PUBLISH_SECONDS = REGISTRY.histogram(
    "vipbus_config_publish_seconds", "From the first key's write to the head's answer"
)
DOCKER_CONNECTED = REGISTRY.gauge(
    "vipbus_config_docker_connected", "1 while the Docker engine whose labels are followed answers"
)
DOCKER_CONTAINERS = REGISTRY.gauge(
    "vipbus_config_docker_containers", "Containers that are real servers by their labels"
)
