"""What the commands that look at the table have to look at."""

from __future__ import annotations

from dataclasses import dataclass

from ipvs_programmer.inputs import Inputs
from ipvs_programmer.keeper import Keeper
from ipvs_programmer.kernel import Kernel
from ipvs_programmer.options import Options
from ipvs_programmer.pools import Pools
from ipvs_programmer.programmer import Programmer


@dataclass(frozen=True)
class Look:
    """The running programmer; whoever looks changes nothing of it."""

    programmer: Programmer
    inputs: Inputs
    keeper: Keeper
    pools: Pools
    kernel: Kernel
    options: Options

    @property
    def nothing(self) -> str:
        """Why there is nothing to look at yet, and what to do; empty when there is."""
        if self.inputs.revision is None:
            return "no whole configuration has come here yet: `vipbus status` says what is missing"
        if self.programmer.kernel_problem:
            return self.programmer.kernel_problem
        if not self.programmer.adopted:
            return "the table was not read yet; ask again"
        return ""
