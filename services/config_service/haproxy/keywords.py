"""What becomes of each keyword of haproxy.cfg: the importer and the document of it go by these tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

Fate = Literal["imported", "snippet", "dropped"]
FRONT: Final = "f"
BACK: Final = "b"


class Keyword(NamedTuple):
    """What becomes of a keyword."""

    fate: Fate
    sides: str = FRONT + BACK
    """Of which side of a ``listen`` it is: the proxy's, the pool's, both."""
    said: str = ""
    """What it becomes, or why it is dropped."""


def imported(sides: str, table: Mapping[str, str]) -> Iterable[tuple[str, Keyword]]:
    """Make those that become something else."""
    return ((word, Keyword("imported", sides, said)) for word, said in table.items())


def _snippet(sides: str, text: str) -> Iterable[tuple[str, Keyword]]:
    return ((word.strip(), Keyword("snippet", sides)) for word in text.split(",") if word.strip())


def dropped(why: str, text: str) -> Iterable[tuple[str, Keyword]]:
    """Make those that are left out."""
    return ((word.strip(), Keyword("dropped", said=why)) for word in text.split(",") if word.strip())


_OWN_PROCESS: Final = "haproxy-programmer runs HAProxy, with files and sockets of its own"
_OWN_STATE: Final = "haproxy-programmer writes the states of servers itself, and keeps them over reloads"
PROBER: Final = "health-prober checks the servers"
_ALERTS: Final = "every verdict is an event on the bus; have that sent"
SLOTS: Final = "servers stand in slots whose names are no server's own"
_LUA: Final = "vipbus carries no Lua files to its routers"
_ELSEWHERE: Final = "it needs a section that vipbus.toml has not"

PROXY: Final[Mapping[str, Keyword]] = {
    **dict(
        imported(
            FRONT,
            {
                "acl": "matches of a route; an acl line of the snippet where a line of it needs one",
                "bind": "`bind`; with options that it has not, a bind line of the snippet",
                "default_backend": "`pool`",
                "use_backend": "`route` with `pool`; a snippet where the condition is no route's",
                "maxconn": "`max_connections`",
                "monitor-uri": "`monitor`, which also asks whether the pool has somebody to serve",
                "monitor fail": "`monitor_members` where it is about nbsrv of the pool, else a snippet",
                "redirect": "`redirect_https` or `route` with `redirect`; else a snippet",
                "http-request": "`deny`, `redirect`, headers, `limit`; from the first that is none of these "
                "on upwards, and in backends, a snippet",
                "http-response": "`response_header`; else a snippet",
                "http-after-response": "`response_header`; else a snippet",
                "tcp-request connection": "`deny` and `limit`; else a snippet",
                "tcp-request session": "`deny` and `limit`; else a snippet",
                "option forwardfor": "`forwarded_for`, in place of what came; a snippet with options",
                "timeout client": "`timeouts.client`",
                "timeout http-request": "`timeouts.http_request`",
                "timeout http-keep-alive": "`timeouts.http_keep_alive`",
            },
        )
    ),
    **dict(
        imported(
            BACK,
            {
                "server": "`real_server` with its checks; one that is a name or a socket, a snippet",
                "server-template": "a line of the snippet, that HAProxy looks up and checks",
                "default-server": "as on each server",
                "balance": "`balance`; with options, a snippet",
                "hash-type": "`balance.hash`; other than map-based and consistent alone, a snippet",
                "cookie": "`persistence` of kind cookie, where it is insert",
                "stick on": "`persistence` of kind source, where it is src; else a snippet",
                "retries": "`retries`",
                "option redispatch": "as it always is",
                "option allbackups": "as it always is for the pool `NAME-backup`",
                "option httpchk": "a check of kind http",
                "option tcp-check": "a check of kind tcp with its exchanges",
                "option smtpchk": "a check of kind smtp",
                "option redis-check": "a check of kind tcp with PING",
                "option ssl-hello-chk": "a check of kind tls",
                "option mysql-check": "a check of kind tcp, which connects alone",
                "option pgsql-check": "a check of kind tcp, which connects alone",
                "option ldap-check": "a check of kind tcp, which connects alone",
                "option external-check": "a check of kind tcp, which connects alone",
                "option spop-check": "a check of kind tcp, which connects alone",
                "http-check send": "a request of the check",
                "http-check expect": "what the check expects: status, string, rstring",
                "http-check connect": "port and TLS of the check",
                "http-check comment": "a comment",
                "tcp-check connect": "port of the check",
                "tcp-check send": "an exchange of the check",
                "tcp-check send-binary": "an exchange of the check",
                "tcp-check expect": "an exchange of the check: string, rstring",
                "tcp-check comment": "a comment",
                "timeout connect": "`timeouts.connect`",
                "timeout server": "`timeouts.server`",
                "timeout queue": "`timeouts.queue`",
                "timeout tunnel": "`timeouts.tunnel`",
                "timeout check": "`timeout` of the checks",
            },
        )
    ),
    **dict(
        imported(
            FRONT + BACK,
            {
                "mode": "`mode`",
                "compression algo": "`compression.algorithms`",
                "compression type": "`compression.types`",
                "compression offload": "`compression.offload`",
                "stick-table": "`persistence` of kind source or `limit`; else a snippet",
                "disabled": "the section is left out, with a warning",
                "enabled": "as it is",
                "description": "a comment of the snippet",
            },
        )
    ),
    **dict(
        _snippet(
            FRONT,
            "backlog, capture cookie, capture request, capture response, declare capture, clitcpka-cnt, "
            "clitcpka-idle, clitcpka-intvl, error-log-format, log-format, log-format-sd, log-steps, "
            "option accept-invalid-http-request, option accept-unsafe-violations-in-http-request, "
            "option clitcpka, option contstats, option disable-h2-upgrade, option dontlog-normal, "
            "option dontlognull, option h1-case-adjust-bogus-client, option http-ignore-probes, "
            "option http-use-proxy-header, option httplog, option httpslog, option log-separate-errors, "
            "option logasap, option socket-stats, option tcp-smart-accept, option tcplog, "
            "option idle-close-on-response, rate-limit sessions, timeout client-fin, timeout client-hs, "
            "unique-id-format, unique-id-header",
        )
    ),
    **dict(
        _snippet(
            BACK,
            "dispatch, fullconn, http-reuse, http-send-name-header, max-keep-alive-queue, "
            "max-session-srv-conns, hash-balance-factor, hash-preserve-affinity, option abortonclose, "
            "option accept-invalid-http-response, option accept-unsafe-violations-in-http-response, "
            "option checkcache, option h1-case-adjust-bogus-server, option http-pretend-keepalive, "
            "option persist, option prefer-last-server, option srvtcpka, option tcp-smart-connect, "
            "option transparent, persist rdp-cookie, retry-on, source, srvtcpka-cnt, "
            "srvtcpka-idle, srvtcpka-intvl, stick match, stick store-request, stick store-response, "
            "tcp-response content, tcp-response inspect-delay, timeout server-fin, transparent, "
            "force-be-switch, option log-server-up",
        )
    ),
    **dict(
        _snippet(
            FRONT + BACK,
            "errorfile, errorloc, errorloc302, errorloc303, filter, http-error, id, log, log-tag, "
            "option http-buffer-request, option http-keep-alive, option http-no-delay, "
            "option http-restrict-req-hdr-names, option http-server-close, option httpclose, "
            "option independent-streams, option nolinger, option originalto, option splice-auto, "
            "option splice-request, option splice-response, option tcpka, option http-drop-request-trailers, "
            "option http-drop-response-trailers, timeout tarpit, tcp-request content, "
            "tcp-request inspect-delay, stats admin, stats enable, stats hide-version, stats http-request, "
            "stats realm, stats refresh, stats scope, stats show-desc, stats show-legends, "
            "stats show-modules, stats show-node, stats uri, guid, quic-initial",
        )
    ),
    **dict(dropped(PROBER, "http-check disable-on-404, http-check send-state, http-check set-var")),
    **dict(dropped(PROBER, "http-check unset-var, tcp-check send-lf, tcp-check send-binary-lf")),
    **dict(dropped(PROBER, "tcp-check set-var, tcp-check unset-var, external-check command")),
    **dict(dropped(PROBER, "external-check path, option log-health-checks")),
    **dict(dropped(_OWN_STATE, "load-server-state-from-file, server-state-file-name")),
    **dict(
        dropped(
            _ALERTS,
            "email-alert from, email-alert level, email-alert mailers, email-alert myhostname, "
            "email-alert to",
        )
    ),
    **dict(dropped(SLOTS, "use-server, force-persist, ignore-persist")),
    **dict(dropped(_ELSEWHERE, "errorfiles, use-fcgi-app, log-profile")),
    **dict(dropped("HAProxy has it no more", "bind-process, monitor-net, option forceclose")),
    **dict(dropped("a password would stand in a document", "stats auth")),
    **dict(dropped("a key would stand in a document; say persistence.key", "dynamic-cookie-key")),
}
"""Of defaults, frontend, listen and backend."""

GLOBAL: Final[Mapping[str, Keyword]] = {
    **dict(
        dropped(
            _OWN_PROCESS,
            "daemon, master-worker, nbproc, mworker-max-reloads, mworker-prefork, chroot, pidfile, user, "
            "group, uid, gid, stats socket, stats timeout, stats maxconn, stats bind-process, expose-fd, "
            "expose-experimental-directives, default-path, hard-stop-after, localpeer, quiet, debug",
        )
    ),
    **dict(dropped("a key would stand in a document", "cluster-secret")),
    **dict(dropped("a file of vipbus may have warnings", "zero-warning")),
    **dict(dropped("it follows from the limit of file descriptors", "maxconn, ulimit-n, fd-hard-limit")),
    **dict(dropped(_OWN_STATE, "server-state-base, server-state-file")),
    **dict(dropped(PROBER, "spread-checks, max-spread-checks, external-check, insecure-fork-wanted")),
    **dict(dropped(_LUA, "lua-load, lua-load-per-thread, lua-prepend-path, tune.lua.maxmem")),
    **dict(dropped(_LUA, "tune.lua.forced-yield, tune.lua.session-timeout, tune.lua.task-timeout")),
    **dict(dropped(_LUA, "tune.lua.service-timeout, tune.lua.log.loggers, tune.lua.log.stderr")),
    **dict(
        imported("", {"ca-base": "in front of relative `ca-file`", "crt-base": "in front of relative `crt`"})
    ),
}
"""Of global; all else there is a snippet."""

SECTION: Final[Mapping[str, Keyword]] = {
    "global": Keyword("imported", said="`[haproxy]` with `global_snippet`"),
    "defaults": Keyword("imported", said="in each section; what is a snippet, `defaults_snippet`"),
    "frontend": Keyword("imported", said="`[[proxy]]`"),
    "backend": Keyword("imported", said="`[[pool]]`"),
    "listen": Keyword("imported", said="`[[proxy]]` and `[[pool]]`"),
    "cache": Keyword("imported", said="`cache` of the proxy or pool that uses it"),
    "peers": Keyword("dropped", said="write `[proxy_peers]`, which names the routers"),
    "userlist": Keyword("dropped", said="passwords would stand in a document; what asks for one denies"),
    "program": Keyword("dropped", said="the service manager runs programs"),
    "resolvers": Keyword(
        "dropped", said="servers are addresses; Docker labels or commands add and remove them"
    ),
    "mailers": Keyword("dropped", said=_ALERTS),
    "http-errors": Keyword("dropped", said="write errorfile lines in a snippet"),
    "ring": Keyword("dropped", said="the event stream keeps what happened"),
    "log-forward": Keyword("dropped", said="vipbus forwards no logs of others"),
    "log-profile": Keyword("dropped", said="write log-format in a snippet"),
    "fcgi-app": Keyword("dropped", said="vipbus.toml has no FastCGI"),
    "crt-store": Keyword("dropped", said="`certificates` is a directory"),
    "traces": Keyword("dropped", said="start HAProxy by hand to trace it"),
    "acme": Keyword("dropped", said="certificates come from outside and are taken as they change"),
    "healthcheck": Keyword("dropped", said=PROBER),
    "namespace_list": Keyword("dropped", said=_OWN_PROCESS),
    "namespace": Keyword("dropped", said=_OWN_PROCESS),
}
"""Every section."""
