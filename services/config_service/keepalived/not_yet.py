"""Keywords that keepalived has and vipbus does not support yet, by block.

Only their names: so that a message can tell them from misspellings. What is left out on purpose stands in
`left_out`.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOP: Final = _words(
    """
    net_namespace namespace_with_ipsets instance use_pid_dir child_wait_time bfd_instance
    """
)

GLOBAL_DEFS: Final = _words(
    """
    startup_script startup_script_timeout shutdown_script shutdown_script_timeout checker_priority
    bfd_priority checker_no_swap bfd_no_swap checker_cpu_affinity bfd_cpu_affinity checker_rt_priority
    bfd_rt_priority checker_rlimit_rttime bfd_rlimit_rttime umask random_seed
    include_check reload_time_file reload_repeat reload_file use_symlink_paths
    """
)

VRRP_INSTANCE: Final = _words("track_bfd")

SYNC_GROUP: Final = _words("track_bfd")

REAL_SERVER: Final = _words("BFD_CHECK")
