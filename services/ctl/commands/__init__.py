"""The commands of ``vipbus``, one module each: its options, its words, and a call of what it does.

A command is a function under ``@command`` (`ctl.cli`) and ``@common`` (`ctl.parameters`) that returns the
exit status, and one line in ``SECTIONS``: its name and ``module:function``. The module is imported when the
command is called or listed, so it imports what its command does inside the function.
"""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Run": {
        "run": "ctl.commands.run:run",
        "install": "ctl.commands.install:install",
        "completion": "ctl.commands.completion:completion",
    },
    "Look": {
        "status": "ctl.commands.status:status",
        "top": "ctl.commands.top:top",
        "events": "ctl.commands.events:events",
        "table": "ctl.commands.table:table",
        "probe": "ctl.commands.probe:probe",
        "vrrp": "ctl.commands.vrrp:vrrp",
        "doctor": "ctl.commands.doctor:doctor",
    },
    "Change": {
        "handover": "ctl.commands.handover:handover",
        "drain": "ctl.commands.operate:drain",
        "disable": "ctl.commands.operate:disable",
        "enable": "ctl.commands.operate:enable",
        "server": "ctl.commands.server:server",
    },
    "Configure": {
        "plan": "ctl.commands.plan:plan",
        "config": "ctl.commands.config:config",
    },
}
