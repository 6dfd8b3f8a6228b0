"""Where the rules of `masquerade` are written: a table of nf_tables of our own, or a chain in iptables.

Every call blocks while a program runs, some milliseconds.
"""

from __future__ import annotations

import shutil
from typing import Final, Literal, Protocol

from ipvs_programmer.masquerade import (
    NAME,
    Masked,
    iptables_ours,
    iptables_removal,
    iptables_script,
    nft_script,
)
from vipbus.runtime.packet_filter import PacketFilterError, run

Kind = Literal["nft", "iptables"]


class NatRules(Protocol):
    """A place for our rules."""

    def put(self, wanted: Masked) -> str:
        """Have exactly these rules, and give what stands then, as `standing` does.

        Raises:
            PacketFilterError: the rules are as they were.
        """

    def standing(self) -> str:
        """Give what stands of ours in words of that place; empty: nothing.

        Raises:
            PacketFilterError: it cannot be read.
        """

    def remove(self) -> None:
        """Have no rules, and nothing of ours.

        Raises:
            PacketFilterError: they are as they were.
        """


class NftRules:
    """A table of nf_tables, family inet, by nft(8)."""

    def put(self, wanted: Masked) -> str:
        """Write; see `NatRules.put`."""
        run(("nft", "-f", "-"), nft_script(wanted), package="nftables")
        return self.standing()

    def standing(self) -> str:
        """Read; see `NatRules.standing`."""
        tables = run(("nft", "list", "tables", "inet"), package="nftables").splitlines()
        if f"table inet {NAME}" not in (line.strip() for line in tables):
            return ""
        return run(("nft", "-nn", "list", "table", "inet", NAME), package="nftables")

    def remove(self) -> None:
        """Remove; see `NatRules.remove`."""
        if self.standing():
            run(("nft", "delete", "table", "inet", NAME), package="nftables")


_WAIT: Final = ("-w", "5")
"""Seconds that iptables waits for another program's lock."""


class IptablesRules:
    """A chain in the table nat of iptables and ip6tables, for kernels without nf_tables."""

    def __init__(self) -> None:
        self._six = False
        """True once ip6tables was needed: a kernel without it is no trouble for whoever has only IPv4."""

    def put(self, wanted: Masked) -> str:
        """Write; see `NatRules.put`."""
        for family in (4, 6):
            of = wanted.of(family)
            if of:
                self._six = self._six or family == 6
                program = _program(family)
                script = iptables_script(of, _save(program))
                run((f"{program}-restore", "--noflush", *_WAIT), script, package="iptables")
            elif family == 4 or self._six:
                _remove(family)
        return self.standing()

    def standing(self) -> str:
        """Read; see `NatRules.standing`."""
        families = (4, 6) if self._six else (4,)
        return "\n".join(line for family in families for line in iptables_ours(_save(_program(family))))

    def remove(self) -> None:
        """Remove; see `NatRules.remove`."""
        _remove(4)
        try:
            _remove(6)
        except PacketFilterError:
            if self._six:
                raise


PLACES: Final[dict[Kind, NatRules]] = {"nft": NftRules(), "iptables": IptablesRules()}
"""The first that works is taken."""


def _program(family: int) -> str:
    plain = "iptables" if family == 4 else "ip6tables"
    legacy = f"{plain}-legacy"
    return legacy if shutil.which(f"{legacy}-restore") else plain


def _save(program: str) -> str:
    return run((f"{program}-save", "-t", "nat"), package="iptables")


def _remove(family: int) -> None:
    program = _program(family)
    script = iptables_removal(_save(program))
    if script:
        run((f"{program}-restore", "--noflush", *_WAIT), script, package="iptables")
