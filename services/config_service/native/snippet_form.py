"""Snippets of HAProxy's configuration: each line is looked at where the document has it."""

from __future__ import annotations

import re
from typing import Any, Final

from config_service.native.misplaced import Misplaced
from vipbus.contracts import Proxy, ProxyPool, ProxySettings
from vipbus.contracts.proxy_snippet import check_snippet

SNIPPETS: Final = (
    (Proxy, "snippet"),
    (ProxyPool, "snippet"),
    (ProxySettings, "global_snippet"),
    (ProxySettings, "defaults_snippet"),
)
"""Fields that are one."""
_LINE: Final = re.compile(r"line ([0-9]+) ")


def snippet_form(value: Any, place: str) -> Any:
    """Read a snippet.

    Raises:
        Misplaced: a line of it may leave its section; it says which.
    """
    if isinstance(value, str):
        try:
            check_snippet(value)
        except ValueError as error:
            found = _LINE.match(str(error))
            raise Misplaced(place, str(error), line=int(found[1]) if found is not None else 0) from None
    return value
