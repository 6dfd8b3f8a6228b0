"""Write a site as HAProxy's configuration (configuration.txt). Pure.

What is structure stands in a digest: as long as it is the same, everything else goes by command and without a
reload. The digest is in the running process too (``proc.gen``), so a worker that began anew is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from haproxy_programmer.render.backends import backend
from haproxy_programmer.render.content import sections
from haproxy_programmer.render.frontends import frontend
from haproxy_programmer.render.peers import local, peers
from haproxy_programmer.render.process import defaults, process, settings
from haproxy_programmer.render.servers import fixed_weights, servers
from haproxy_programmer.site import Place, Site


def generation(site: Site) -> str:
    """Digest what takes a reload to change: all but who is in which slot and how that one is."""
    return hashlib.blake2b("\n".join(_structure(site)).encode(), digest_size=8).hexdigest()


def _structure(site: Site) -> Iterator[str]:
    yield from settings(site.settings)
    yield from sections(site)
    yield from peers(site, None)
    for proxy in site.proxies:
        yield from frontend(proxy, site)
    for pool in site.pools:
        yield from backend(pool)
        yield f"{site.slots_of(pool.id).size} slots"
        yield from fixed_weights(site, pool)


def render(site: Site, place: Place) -> str:
    """Write the whole file.

    Raises:
        UnwritableError: a value cannot be written.
    """
    lines = [
        "# written by haproxy-programmer; what is changed here is lost",
        *process(place, generation(site), site.settings),
        *local(site),
        *defaults(site.settings),
        "",
        *peers(site, place),
        *sections(site),
    ]
    for proxy in site.proxies:
        lines += ["", *frontend(proxy, site)]
    for pool in site.pools:
        lines += ["", *backend(pool), *servers(site, pool)]
    return "\n".join(lines) + "\n"
