"""``vipbus run``."""

from __future__ import annotations

from pathlib import Path

import click

from ctl.cli import command
from ctl.parameters import FILE, PORT, At, Read, common
from vipbus.runtime.docker_host import docker_host
from vipbus.runtime.settings import ListenAddress, listen_address


def _metrics(text: str) -> ListenAddress | None:
    if text == "off":
        return None
    try:
        address = listen_address(text)
    except ValueError as error:
        raise ValueError(f"{error}, nor off") from None
    if address.port > 65531:
        raise ValueError("there must be 4 ports after it; choose at most 65531")
    return address


@command(
    "run one router in the foreground",
    """Run one router: an embedded nats-server (unless --bus names another), config-service, vrrp-agent,
    health-prober and ipvs-programmer, each a process of its own that is started again when it dies. SIGHUP
    reads FILE again, SIGTERM stops in order.""",
    examples=(
        ("vipbus run -f /etc/keepalived/keepalived.conf", ""),
        ("vipbus run -f lb.conf --standby warm", "keep the table filled while another router is active"),
        ("vipbus run -f lb.conf --bus nats://10.9.0.5:4222 --router lb1", "on a bus of your own"),
    ),
    statuses={
        0: "it was stopped",
        1: "something on this machine is missing",
        2: "FILE is wrong",
    },
)
@click.option("-f", "--file", type=FILE, required=True, metavar="FILE", help="A keepalived.conf.")
@click.option(
    "--router",
    envvar="VIPBUS_ROUTER",
    metavar="NAME",
    help="This router's name (default: router_id of the file, else the host's name).",
)
@click.option(
    "-i",
    "--config-id",
    envvar="VIPBUS_CONFIG_ID",
    metavar="ID",
    help="What the conditions @ID and @^ID of the file are compared with (default: the host's name).",
)
@click.option(
    "--standby",
    type=click.Choice(("clear", "warm")),
    default="clear",
    show_default=True,
    help="What the kernel's table holds while an instance is backup.",
)
@click.option(
    "--bus-port",
    type=PORT,
    default="4222",
    show_default=True,
    metavar="N",
    help="Loopback port of the embedded bus.",
)
@click.option("--watch", is_flag=True, help="Read FILE again when it, or what it includes, changes.")
@click.option(
    "--docker",
    type=Read("engine", docker_host),
    is_flag=False,
    flag_value="",
    envvar="VIPBUS_DOCKER",
    metavar="[HOST]",
    help="Containers become real servers by their labels. HOST is unix:///PATH or tcp://HOST:PORT of the "
    "engine; without it DOCKER_HOST, else the local socket.",
)
@click.option(
    "--metrics",
    type=Read("address", _metrics),
    default="127.0.0.1:9490",
    show_default=True,
    metavar="HOST:PORT",
    help="The services answer /metrics and /ready here and on the 4 ports after it; off is not at all.",
)
@common
def run(
    *,
    at: At,
    file: Path,
    router: str | None,
    config_id: str | None,
    standby: str,
    bus_port: int,
    docker: str | None,
    watch: bool,
    metrics: ListenAddress | None,
) -> int:
    """Run a router."""
    from ctl.children import RunSettings  # noqa: PLC0415
    from ctl.run import main  # noqa: PLC0415

    return main(
        RunSettings(
            file=file.absolute(),
            router=router,
            config_id=config_id,
            state_dir=at.state_dir.absolute(),
            bus=at.bus,
            log=at.log,
            standby=standby,
            bus_port=bus_port,
            docker=docker,
            watch=watch,
            metrics=metrics,
        )
    )
