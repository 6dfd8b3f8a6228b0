"""What ``global_defs`` says for every instance that does not say otherwise."""

from __future__ import annotations

from config_service.keepalived.garp import GarpDefaults


class Defaults:
    """As keepalived has them until the file says otherwise."""

    def __init__(self) -> None:
        self.version = 2
        self.strict = False
        self.down_timer_adverts = 3
        self.lower_prio_no_advert = False
        self.higher_prio_send_advert = False
        self.owner_ignore_adverts = False
        self.check_unicast_source = False
        self.checksum_as_v2 = False
        self.multicast_group4: str | None = None
        self.multicast_group6: str | None = None
        self.notify_priority_changes = False
        self.mail: bool | None = None
        self.vrrp_mail: bool | None = None
        self.vmac_prefix = "vrrp"
        self.interface = "eth0"
        self.garp = GarpDefaults()

    @property
    def alerts(self) -> bool:
        """Whether an instance sends mail that does not say."""
        return bool(self.mail if self.vrrp_mail is None else self.vrrp_mail)
