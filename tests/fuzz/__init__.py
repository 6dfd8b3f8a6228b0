"""Fuzzers: whatever is in a file, it is accepted or refused with a place. `make fuzz` runs them for long."""
