"""Reads HAProxy's own language, haproxy.cfg, and says the same with proxies and pools. Pure."""
