"""A service's life: settings, start from saved state, readiness, signals, supervision."""
