"""A router of the lab: its namespace, the software it runs, and how the lab looks into it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tests.lab import table
from tests.lab.declare import Declaration, RouterSpec, keepalived_conf
from tests.lab.namespace import ENVIRONMENT, Namespace
from tests.support.waiting import eventually

_STOP_WITHIN = 25.0
_METRICS_PORTS = {
    "config-service": 9490,
    "vrrp-agent": 9491,
    "health-prober": 9492,
    "ipvs-programmer": 9493,
    "haproxy-programmer": 9494,
}
"""Where ``vipbus run`` lets its services answer a scraper, by default."""


class Router(ABC):
    """One router. Its configuration is the same file whatever software reads it."""

    supervisor: str
    """The name of the process that starts the others."""

    def __init__(
        self, spec: RouterSpec, declaration: Declaration, namespace: Namespace, directory: Path
    ) -> None:
        self.name = spec.name
        self.spec = spec
        self.namespace = namespace
        self.directory = directory
        self.log = directory / "log"
        self.configuration = directory / "keepalived.conf"
        self.environment = dict(declaration.environment)
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        self.configuration.write_text(keepalived_conf(declaration, spec))

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Give the command that runs the software in the foreground."""

    @abstractmethod
    def is_service(self, service: str, argv: list[str]) -> bool:
        """Say whether a command line is that of a service."""

    def ready(self) -> bool:
        """Say whether the software itself says that everything is ready; keepalived says nothing."""
        return True

    # ---- act

    def start(self) -> None:
        """Start the software."""
        assert not self.running, f"{self.name} runs already"
        self._process = self.namespace.spawn(self.command(), self.log, self.environment)

    @property
    def running(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """End it in order (SIGTERM) and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(_STOP_WITHIN)
        eventually(lambda: not self.namespace.pids(), f"every process of {self.name} is gone")
        return status

    def reload(self) -> None:
        """SIGHUP: read the configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self, service: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a service's process and return its pid."""
        pid = self.pid(service)
        assert pid is not None, f"{self.name} runs no {service}"
        os.kill(pid, number)
        return pid

    def kill_all(self) -> None:
        """Kill -9 every process at once."""
        self.namespace.kill_all()
        if self._process is not None:
            self._process.wait()

    # ---- ask

    def pid(self, service: str) -> int | None:
        """Find a service's process, the oldest if there are several; None when it does not run."""
        for pid in self.namespace.pids():
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except OSError:
                continue
            if self.is_service(service, argv):
                return pid
        return None

    def holds(self, address: str) -> bool:
        """Say whether an address is on one of its interfaces."""
        links = json.loads(self.namespace.ip("-j", "-4", "addr", "show"))
        return any(info.get("local") == address for link in links for info in link.get("addr_info", ()))

    def table(self) -> table.Table:
        """Read the kernel's IPVS table."""
        return table.parse(self.namespace.run("ipvsadm", "-Sn"))

    def ipvsadm(self, *arguments: str) -> None:
        """Change the kernel's table behind the software's back."""
        self.namespace.run("ipvsadm", *arguments)


class Keepalived(Router):
    """keepalived as Debian ships it."""

    supervisor = "keepalived"

    def command(self) -> Sequence[str]:
        """In the foreground, logging to stderr, with its files to itself."""
        own = self.directory
        pids = ["-p", f"{own}/parent.pid", "-r", f"{own}/vrrp.pid", "-c", f"{own}/checkers.pid"]
        return ["keepalived", "-n", "-l", "-D", "-f", str(self.configuration), *pids]

    def is_service(self, service: str, argv: list[str]) -> bool:
        """Its three processes look alike: the oldest is the parent."""
        return Path(argv[0]).name == service == "keepalived"


class Vipbus(Router):
    """``vipbus run``, its embedded bus included."""

    supervisor = "vipbus"
    services = ("vrrp-agent", "health-prober", "ipvs-programmer", "config-service", "nats-server")
    """Every process under the supervisor."""

    def __init__(
        self, spec: RouterSpec, declaration: Declaration, namespace: Namespace, directory: Path
    ) -> None:
        super().__init__(spec, declaration, namespace, directory)
        self.state = directory / "state"
        self._options = declaration.options
        self._vipbus = str(Path(sys.executable).with_name("vipbus"))

    def command(self) -> Sequence[str]:
        """As an operator runs it."""
        own = ["-f", str(self.configuration), "--router", self.name, "--state-dir", str(self.state)]
        return [self._vipbus, "run", *own, *self._options]

    def is_service(self, service: str, argv: list[str]) -> bool:
        """By the program, or by the module that Python runs."""
        if service in ("nats-server", self.supervisor):
            return any(Path(argument).name == service for argument in argv[:2])
        return service.replace("-", "_") in argv[:5]

    def ready(self) -> bool:
        """Ask ``vipbus status``."""
        return self.ask("status").returncode == 0

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a vipbus command that finds the router by its state directory."""
        return self.vipbus(*arguments, "--state-dir", str(self.state))

    def vipbus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run any vipbus command on the router."""
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace.name, self._vipbus, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            timeout=90,
        )

    def metric(self, service: str, name: str) -> float:
        """Scrape a service and add up a metric's samples."""
        url = f"http://127.0.0.1:{_METRICS_PORTS[service]}/metrics"
        with self.namespace.entered(), urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        samples = [line.rpartition(" ")[2] for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        assert samples, f"{service} has no metric {name}"
        return sum(map(float, samples))

    def events(self, subject: str = "vipbus.>") -> list[dict[str, object]]:
        """Read the history of a subject: CloudEvents as ``vipbus events --json`` prints them."""
        printed = self.ask("events", "--json", subject)
        assert printed.returncode == 0, printed.stderr
        return [json.loads(line) for line in printed.stdout.splitlines()]


def make(spec: RouterSpec, declaration: Declaration, namespace: Namespace, directory: Path) -> Router:
    """Make a router of the declared software."""
    kind = {"vipbus": Vipbus, "keepalived": Keepalived}[spec.software]
    return kind(spec, declaration, namespace, directory)
