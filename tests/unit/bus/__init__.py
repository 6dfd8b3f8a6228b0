"""Unit tests of the bus: what of it needs no server."""
