"""vipbus.toml, the native language: one document for a whole cluster."""
