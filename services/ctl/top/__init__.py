"""``vipbus top``: the routers, pools, verdicts, rates and events of a bus, live in the terminal.

`model` decides what a key or a piece of news does, `rows` writes what the bus says as rows, `screen` makes
the lines of a screen; all three are pure. `command` follows the bus, `tty` has the terminal.
"""
