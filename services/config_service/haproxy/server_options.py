"""What becomes of each option of a ``server`` line: the importer and the document of it go by this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config_service.haproxy.keywords import PROBER, SLOTS, Keyword, dropped, imported

SERVER: Final[Mapping[str, Keyword]] = {
    **dict(
        imported(
            "",
            {
                "weight": "`weight`",
                "check": "checks",
                "no-check": "no checks",
                "inter": "`interval` of the check",
                "rise": "`rise`",
                "fall": "`fall`",
                "port": "`port` of the check",
                "addr": "`address` of the check",
                "check-ssl": "`tls` of the check",
                "no-check-ssl": "no `tls` of the check",
                "check-sni": "`tls.server_name` of the check",
                "maxconn": "`max_connections` of the pool, one for all",
                "backup": "the pool `NAME-backup`, the `fallback`",
                "cookie": "nothing: the cookie is made of the address",
                "disabled": "weight 0",
                "enabled": "as it is",
                "slowstart": "`slow_start` of the pool",
                "ssl": "`tls` of the pool",
                "no-ssl": "no `tls`",
                "verify": "`tls.verify`",
                "verifyhost": "`tls.name`",
                "sni": "`tls.name` where it is str(NAME); else a default-server line of the snippet",
                "ca-file": "`tls.ca`",
                "crt": "`tls.certificate`",
                "ssl-min-ver": "`tls.minimum`",
                "alpn": "`tls.http2`",
                "proto": "`tls.http2`",
                "send-proxy": "`send_proxy`",
                "send-proxy-v2": "`send_proxy`",
                "no-send-proxy": "as it is",
                "no-send-proxy-v2": "as it is",
                "no-sslv3": "as it is",
                "no-tlsv10": "as it is",
                "no-tlsv11": "as it is",
            },
        )
    ),
    **dict(dropped(PROBER, "fastinter, downinter, observe, error-limit, on-error, check-alpn, check-proto")),
    **dict(dropped(PROBER, "check-send-proxy, check-via-socks4, track, on-marked-down, on-marked-up")),
    **dict(
        dropped(
            "write `agent_check` in the pool", "agent-check, agent-port, agent-inter, agent-addr, agent-send"
        )
    ),
    **dict(
        dropped("servers are addresses", "resolvers, resolve-prefer, resolve-net, resolve-opts, init-addr")
    ),
    **dict(dropped("write `max_queue` in the pool", "maxqueue")),
    **dict(dropped(SLOTS, "id, redir, minconn, namespace, non-stick, usesrc, guid")),
}
"""Options of a server; all else stands in a default-server line of the snippet."""
WITHOUT_VALUE: Final = frozenset(
    {
        *("check", "no-check", "check-ssl", "no-check-ssl", "backup", "no-backup", "disabled"),
        *("enabled", "ssl", "no-ssl", "send-proxy", "send-proxy-v2", "no-send-proxy"),
        *("no-send-proxy-v2", "check-send-proxy", "check-via-socks4", "agent-check"),
        *("no-agent-check", "non-stick", "stick", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn"),
        *("no-send-proxy-v2-ssl", "no-send-proxy-v2-ssl-cn", "allow-0rtt", "force-sslv3"),
        *("force-tlsv10", "force-tlsv11", "force-tlsv12", "force-tlsv13", "no-ssl-reuse"),
        *("no-sslv3", "no-tlsv10", "no-tlsv11", "no-tlsv12", "no-tlsv13", "no-tls-tickets"),
        *("no-verifyhost", "tfo", "no-tfo", "tls-tickets", "ssl-reuse"),
    }
)
"""Options of a server that are a word alone."""
