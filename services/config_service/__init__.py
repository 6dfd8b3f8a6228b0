"""config-service: reads each router's file, validates it, and publishes it as whole revisions."""
