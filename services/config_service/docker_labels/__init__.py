"""Real servers by the labels of containers: what Docker says now, as an overlay of the configuration."""
