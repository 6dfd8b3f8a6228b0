"""What can go wrong on the bus, in the words of whoever uses it."""


class BusError(Exception):
    """The base of everything below."""


class BusAwayError(BusError):
    """Not connected, or no answer in time; whether a write was applied is unknown until read again."""


class StaleWriteError(BusError):
    """A compare-and-set was refused: someone wrote the key since it was read."""


class RefusedError(BusError):
    """The server refused the request: a missing permission, a limit, a damaged stream."""
