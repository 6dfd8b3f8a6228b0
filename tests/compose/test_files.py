"""What can be said of compose.yaml and deploy/ without an engine."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from haproxy_programmer.traffic_metrics import TrafficMetrics
from tests.compose.stack import ROOT
from vipbus.telemetry.metrics import REGISTRY, Histogram, Registry

DASHBOARDS = sorted((ROOT / "deploy" / "observability" / "grafana" / "dashboards").glob("*.json"))
PACKAGES = ("config_service", "vrrp_agent", "ipvs_programmer", "haproxy_programmer", "health_prober", "ctl")
SERVICES = ("config-service", "vrrp-agent", "ipvs-programmer", "haproxy-programmer", "health-prober", "ctl")


def _run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _composed(*profiles: str, **environment: str) -> dict[str, Any]:
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    options = [option for profile in profiles for option in ("--profile", profile)]
    document = yaml.safe_load(_run("docker", "compose", *options, "config", **environment))
    assert isinstance(document, dict)
    return document


def test_the_default_profile_has_what_a_balancer_is_made_of() -> None:
    assert set(_composed()["services"]) == {
        "nats",
        "config-service",
        "health-prober",
        *(f"router-{name}{part}" for name in "ab" for part in ("", "-vrrp-agent", "-ipvs-programmer")),
        "docker-proxy",
        "real-server",
        "client",
    }


def test_the_observability_profile_adds_three_services() -> None:
    assert set(_composed("observability")["services"]) - set(_composed()["services"]) == {
        "jaeger",
        "prometheus",
        "grafana",
    }


def test_the_proxy_profile_has_haproxy_on_routers_and_behind_them() -> None:
    assert set(_composed("proxy")["services"]) - set(_composed()["services"]) == {
        "proxy-config-service",
        *(f"proxy-{name}{part}" for name in "ab" for part in ("", "-vrrp-agent", "-ipvs-programmer")),
        *(f"node-{name}{part}" for name in "ab" for part in ("", "-vrrp-agent")),
        *(f"{kind}-{name}-haproxy-programmer" for kind in ("proxy", "node") for name in "ab"),
        "app-1",
        "app-2",
        "proxy-client",
        "tiers-client",
    }


@pytest.mark.parametrize(
    ("environment", "image"), [({}, "haproxy:3.2"), ({"VIPBUS_HAPROXY": "haproxy:2.8"}, "haproxy:2.8")]
)
def test_haproxys_version_is_an_argument_of_the_build(environment: dict[str, str], image: str) -> None:
    for service in ("proxy-a", "node-b"):
        build = _composed("proxy", **environment)["services"][f"{service}-haproxy-programmer"]["build"]
        assert build["args"] == {"HAPROXY": image}
    assert "ARG HAPROXY=haproxy:3.2\n" in (ROOT / "Dockerfile").read_text()


def test_the_proxies_file_names_the_addresses_of_compose() -> None:
    file = ROOT / "deploy" / "compose" / "proxies" / "vipbus.toml"
    composed = _composed("proxy")
    for router in ("proxy-a", "proxy-b", "node-a", "node-b"):
        checked = _run(
            sys.executable, "-m", "config_service", "check", str(file), "--router", router, "--print-router"
        )
        assert checked.endswith(f"{router}\n")
    text = file.read_text().replace("${VIPBUS_NET:-10.91}", "10.91")
    front = composed["networks"]["front"]["ipam"]["config"][0]["aux_addresses"]
    assert f'"{front["proxied"]}/24", "{front["tiers"]}/24"' in text
    for name in ("app-1", "app-2"):
        address = composed["services"][name]["networks"]["servers"]["ipv4_address"]
        assert f'"{address}:8080"' in text
    for name in ("node-a", "node-b"):
        address = composed["services"][name]["networks"]["front"]["ipv4_address"]
        assert f'bind = ["{front["tiers"]}:80", "{address}:80"]' in text
        assert f'{{ address = "{address}" }}' in text


def test_every_service_is_confined() -> None:
    for name, service in _composed("observability", "command", "proxy")["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_what_is_published_is_on_loopback() -> None:
    for name, service in _composed("observability")["services"].items():
        for port in service.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", name


def test_no_service_waits_for_the_bus() -> None:
    for name, service in _composed("proxy")["services"].items():
        assert not {"nats", "config-service", "proxy-config-service"} & set(service.get("depends_on", ())), (
            name
        )


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({"COMPOSE_PROFILES": ""}, ""),
        ({"COMPOSE_PROFILES": "observability"}, "http://jaeger:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://192.0.2.1/"}, "http://192.0.2.1/"),
    ],
)
def test_traces_go_where_someone_listens(environment: dict[str, str], endpoint: str) -> None:
    environment = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "", **environment}
    for name in ("config-service", "health-prober", "router-a-vrrp-agent", "router-b-ipvs-programmer"):
        set_to = _composed(**environment)["services"][name]["environment"][
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        ]
        assert set_to == endpoint, name


def test_the_routers_files_name_the_addresses_of_compose() -> None:
    front = _composed()["networks"]["front"]["ipam"]["config"][0]
    gateway = _composed()["networks"]["servers"]["ipam"]["config"][0]["gateway"]
    for file in sorted((ROOT / "deploy" / "compose" / "routers").glob("*.conf")):
        text = file.read_text()
        assert f"{front['aux_addresses']['virtual']}/24" in text
        assert f"{gateway}/24 dev eth2" in text
        label = _composed()["services"]["real-server"]["labels"]["vipbus.virtual-server"]
        address, _, port = label.removesuffix("/tcp").partition(":")
        assert f"virtual_server {address} {port} {{" in text


@pytest.mark.parametrize("router", ["router-a", "router-b"])
def test_the_routers_files_are_accepted(router: str) -> None:
    file = ROOT / "deploy" / "compose" / "routers" / f"{router}.conf"
    assert _run(
        sys.executable, "-m", "config_service", "check", str(file), "--print-router", "--docker"
    ).endswith(f"{router}\n")


# ---- the Dockerfile and what it installs


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_a_target_that_installs_its_own_extra(service: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(rf"^FROM (base|privileged) AS {service}$", dockerfile, re.MULTILINE)
    stage = dockerfile.split(f"FROM build AS build-{service}\n", 1)[1].split("\nFROM ", 1)[0]
    others = [other for other in SERVICES if other != service]
    assert f"requirements/{service}.txt" in stage
    assert not [other for other in others if f"requirements/{other}.txt" in stage]


@pytest.mark.parametrize("service", [*SERVICES, "telemetry"])
def test_every_requirement_has_a_version_and_hashes(service: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = (ROOT / "requirements" / f"{service}.txt").read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry and not entry.startswith("#")]
    assert all(re.match(r"[a-z0-9.-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    names = {entry.split("==", 1)[0] for entry in entries}
    wanted = {re.split(r"[><=\[]", requirement)[0] for requirement in extras[service]}
    assert wanted | {"msgspec", "nats-py"} <= names


# ---- what observes


def _declared_metrics() -> set[str]:
    for package in PACKAGES:
        if (ROOT / "services" / package / "metrics.py").exists():
            importlib.import_module(f"{package}.metrics")
    importlib.import_module("vipbus.telemetry.standard")
    names = set()
    of_haproxy = Registry()
    TrafficMetrics(0, of_haproxy)
    for metric in (*REGISTRY, *of_haproxy):
        if isinstance(metric, Histogram):
            names |= {f"{metric.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")}
        else:
            names.add(metric.name)
    return names


def _expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel.get("targets", ())] + [
        expression for inner in panel.get("panels", ()) for expression in _expressions(inner)
    ]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_every_metric_of_a_dashboard_exists(file: Path) -> None:
    declared = _declared_metrics()
    expressions = [
        expression for panel in json.loads(file.read_text())["panels"] for expression in _expressions(panel)
    ]
    named = {name for expression in expressions for name in re.findall(r"vipbus_\w+", expression)}
    assert len(named) >= 10
    assert named <= declared


def test_every_service_with_an_endpoint_is_scraped_there() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yml").read_text())
    ports: dict[str, set[str]] = {}
    for job in scraped["scrape_configs"]:
        targets = [target for config in job.get("static_configs", ()) for target in config["targets"]]
        targets += [
            f"{name}:{config['port']}" for config in job.get("dns_sd_configs", ()) for name in config["names"]
        ]
        ports[job["job_name"]] = {target.rpartition(":")[2] for target in targets}
    listens = {
        name: service["environment"]["VIPBUS_LISTEN"].rpartition(":")[2]
        for name, service in _composed("proxy")["services"].items()
        if "VIPBUS_LISTEN" in service.get("environment", {})
    }
    assert listens
    for name, port in listens.items():
        assert ports[re.sub(r"^(router|node|proxy)-([ab]-)?", "", name)] == {port}


@pytest.fixture(scope="module")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give Prometheus's own checker: installed, or out of Debian's package without installing it."""
    found = shutil.which("promtool")
    if found is not None:
        return found
    directory = tmp_path_factory.mktemp("prometheus")
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("promtool is not installed and there is no Debian to fetch it from")
    fetched = subprocess.run(
        ["apt-get", "download", "prometheus"], cwd=directory, capture_output=True, text=True, check=False
    )
    packages = list(directory.glob("*.deb"))
    if not packages:
        pytest.skip(
            f"promtool is not installed (Debian: prometheus) and apt-get says: {fetched.stderr[-200:]}"
        )
    subprocess.run(["dpkg", "-x", str(packages[0]), str(directory)], check=True)
    return str(directory / "usr" / "bin" / "promtool")


def test_prometheus_accepts_its_configuration(promtool: str) -> None:
    _run(promtool, "check", "config", "deploy/observability/prometheus.yml")


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_prometheus_accepts_what_a_dashboard_asks(promtool: str, file: Path, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel{panel['id']}:query{number}", "expr": expression}
        for panel in json.loads(file.read_text())["panels"]
        for number, expression in enumerate(_expressions(panel))
    ]
    written = tmp_path / "rules.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    _run(promtool, "check", "rules", str(written))


# ---- the unit


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "vipbus.service"
    # whether the program is installed here is not the unit's matter
    unit.write_text(
        (ROOT / "deploy/systemd/vipbus.service").read_text().replace("=vipbus run", "=/bin/true run")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_reloads_by_the_signal_that_run_understands() -> None:
    unit = (ROOT / "deploy" / "systemd" / "vipbus.service").read_text()
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in unit
