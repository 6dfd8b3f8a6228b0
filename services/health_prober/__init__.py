"""Runs the checks of real servers; any number of replicas share the work; writes verdicts."""
