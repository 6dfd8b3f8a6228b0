"""``[[virtual_server_group]]``: addresses, ranges and firewall marks that share a pool."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from config_service.keepalived.values import any_address
from config_service.keepalived.values import port as port_number
from config_service.keepalived.virtual_groups import MOST, address_range
from config_service.native.environment import as_number
from config_service.native.misplaced import Misplaced, Table
from config_service.native.network_forms import unknown_key
from config_service.native.overrides import Placed
from config_service.native.values import split_port
from config_service.problems import RefusedError, quoted

KEYS: Final = ("name", "addresses", "port", "marks")
MARK_KEYS: Final = ("mark", "family")


class Place(NamedTuple):
    """What the kernel has one service for: an address and port, or a firewall mark and a family."""

    address: str = ""
    port: int = 0
    mark: int = 0
    family: int = 4

    @property
    def shape(self) -> tuple[int, int, bool]:
        """What makes a difference to a pool: family, port, whether it is a mark."""
        return (self.family, self.port, bool(self.mark))


def read_groups(tables: Iterable[Placed]) -> Mapping[str, tuple[Place, ...]]:
    """Read the groups, by name.

    Raises:
        Misplaced: something is refused.
    """
    found: dict[str, tuple[Place, ...]] = {}
    for path, table in tables:
        for key in table:
            if key not in KEYS:
                raise unknown_key(key, KEYS, f"{path}.{key}")
        name = table.get("name")
        if not isinstance(name, str) or not name:
            raise Misplaced(path, 'there is no name; write name = "web"')
        if name in found:
            raise Misplaced(f"{path}.name", f"there are two groups of the name {quoted(name)}; rename one")
        found[name] = tuple(_places(table, path))
        if not found[name]:
            raise Misplaced(path, "it is empty; add addresses or marks")
    return found


def _places(table: Table, path: str) -> Iterator[Place]:
    count = 0
    default = as_number(table.get("port", 0))
    check_port(default, f"{path}.port")
    for at, text in enumerate(_array(table, "addresses", path)):
        place = f"{path}.addresses[{at}]"
        if not isinstance(text, str):
            raise Misplaced(place, 'is no text; write "10.0.0.1:80", "10.0.0.1-9:80" or "10.0.0.0/28:80"')
        try:
            words, port = split_port(text)
            version, first, last = address_range(words)
            number = default if port is None else port_number(port)
        except RefusedError as error:
            raise Misplaced(place, str(error)) from None
        count += last - first + 1
        if count > MOST:
            raise Misplaced(
                place,
                f"with it the group has {count} addresses, more than {MOST}; make several groups, or mark "
                "the packets and name the mark",
            )
        make = ipaddress.IPv6Address if version == 6 else ipaddress.IPv4Address
        for each in range(first, last + 1):
            yield Place(any_address(str(make(each))).text, number, family=version)
    for at, mark in enumerate(_array(table, "marks", path)):
        yield read_mark(mark, f"{path}.marks[{at}]")


def _array(table: Table, key: str, path: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise Misplaced(f"{path}.{key}", "is no array; write it in brackets")
    return value


def check_port(value: Any, path: str) -> None:
    """Refuse what is no port; 0 is every port.

    Raises:
        Misplaced: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
        raise Misplaced(path, f"{quoted(str(value))} is no port; write a number from 1 to 65535")


def read_mark(value: Any, path: str) -> Place:
    """Read a firewall mark, or a table of ``mark`` and ``family``.

    Raises:
        Misplaced: it is none.
    """
    family: Any = 4
    if isinstance(value, dict):
        for key in value:
            if key not in MARK_KEYS:
                raise unknown_key(key, MARK_KEYS, f"{path}.{key}")
        value, family = value.get("mark"), as_number(value.get("family", 4))
    value = as_number(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**32:
        raise Misplaced(path, "is no firewall mark; write a number from 1 to 4294967295")
    if family not in (4, 6) or isinstance(family, bool):
        raise Misplaced(path, f"{quoted(str(family))} is no family; write 4 or 6")
    return Place(mark=value, family=int(family))
