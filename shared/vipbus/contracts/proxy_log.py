"""Which requests a proxy tells of on the bus."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ProxyLog(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a proxy's requests, in mode tcp its connections, becomes an event `ProxyRequestTold`.

    All proxies of a router together tell of one a second, and of a few dozen at once; the others are counted.
    """

    errors: bool = True
    """What did not go well: an answer of 500 or more, no answer, a retry, a request that is none."""
    sample: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """One of so many of all that come; None: none of what goes well."""

    def __post_init__(self) -> None:
        if not self.errors and self.sample is None:
            raise ValueError("it tells of nothing: leave log out, or give a sample")
