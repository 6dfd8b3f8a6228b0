"""What happens to the pools of a router, told to programs and to a named pipe (keepalived.conf(5))."""
