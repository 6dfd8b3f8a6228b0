"""The ``vipbus`` command: run a router, and look at one."""
