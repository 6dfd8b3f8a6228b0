"""Keeps the kernel's IPVS table what configuration, verdicts and roles say it should be."""
