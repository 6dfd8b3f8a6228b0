"""Traces, metrics and logs; context travels in message headers."""
