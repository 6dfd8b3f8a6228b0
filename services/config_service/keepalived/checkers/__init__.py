"""The checkers of a ``real_server`` (keepalived.conf(5)), a file each."""
