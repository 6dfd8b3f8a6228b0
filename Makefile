# vipbus: what a developer and CI call. `make demo` shows it, `make test` proves it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What the lab and the tests use beside Python: real peers, real tools, a compiler for the guest's shim.
# Their daemons are not started at the installation (policy-rc.d, invoke-rc.d(8)); the tests start their own.
PACKAGES := busybox-static dnsmasq-base exim4-daemon-light fish gcc haproxy iproute2 iptables iputils-ping ipvsadm \
            keepalived kmod knot libc6-dev linux-libc-dev man-db mandoc nftables nginx-light openssl procps systemd \
            tcpdump tshark wrk zsh

# Real networks on a machine that is not ours alone: what fails is tried once more, and said (docs/decisions.md, 50)
AGAIN := --reruns 1 --reruns-delay 1
# a file to a worker: most of what tests do is wait
WORKERS := -n 2 --dist loadfile

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.PHONY: demo
demo: packages $(VENV)/.installed ## Two routers, three real servers, a client: watch failover happen (a few minutes)
	@$(BIN)/python -m tests.lab.guest -- $(BIN)/python -m tests.lab.demo

.PHONY: test
test: lint types imports test-unit test-contract test-haproxy test-lab test-bench ## Everything but compose; installs what it needs

.PHONY: lint
lint: $(VENV)/.installed ## Style and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.installed ## Strict types
	$(BIN)/mypy

.PHONY: imports
imports: $(VENV)/.installed ## Services never import each other; only the bus imports nats
	$(BIN)/lint-imports

.PHONY: test-unit
test-unit: packages $(VENV)/.installed ## Pure cores and small edges
	$(BIN)/pytest $(WORKERS) tests/unit

.PHONY: fuzz
fuzz: $(VENV)/.installed ## Any bytes as configuration, each language, as long as you like: make fuzz SECONDS=600
	@mkdir -p artifacts
	@for language in keepalived haproxy toml; do \
	    (cd artifacts && PYTHONPATH=$(CURDIR) $(abspath $(BIN))/python -m tests.fuzz.config $$language \
	        -max_total_time=$(or $(SECONDS),300)) || exit 1; done

.PHONY: simulate
simulate: $(VENV)/.installed ## Replay a seed of the VRRP simulation step by step: make simulate SEED=7
	$(BIN)/python -m tests.unit.vrrp_agent.simulation --seed $(SEED)

.PHONY: simulate-probers
simulate-probers: $(VENV)/.installed ## Replay a seed of the simulation of replicas: make simulate-probers SEED=7
	PYTHONHASHSEED=0 $(BIN)/python -m tests.unit.health_prober.simulation --seed $(SEED)

.PHONY: test-contract
test-contract: packages $(VENV)/.installed ## Against a real nats-server, real keepalived, real namespaces
	$(BIN)/pytest $(WORKERS) $(AGAIN) -m "not ipvs" tests/contract $(CONTRACT)

.PHONY: test-leaks
test-leaks: packages $(VENV)/.installed ## 10,000 rounds of each kind of check leave nothing: make test-leaks ROUNDS=100000
	$(BIN)/pytest -v -s -m leaks --rounds $(or $(ROUNDS),10000) tests/contract tests/unit/health_prober

.PHONY: test-haproxy
test-haproxy: packages $(VENV)/.installed ## The proxies again, on the newest HAProxy that Debian's archive has
	@haproxy=$$(tests/support/newest-haproxy) || { echo "skipped: no newer HAProxy here"; exit 0; }; \
	$$haproxy -v | sed -n 1p; \
	VIPBUS_HAPROXY=$$haproxy $(BIN)/pytest $(WORKERS) $(AGAIN) $(wildcard tests/contract/test_haproxy_*.py)

.PHONY: test-lab
test-lab: packages $(VENV)/.installed ## Whole routers on a kernel with IPVS (this machine's, or a guest's)
	$(BIN)/pytest $(AGAIN) tests/lab -m "not ipvs"
	$(GUEST) $(filter-out $(TABLES),$(wildcard tests/lab/test_*.py))
	$(GUEST) $(TABLES)

GUEST := $(BIN)/python -m tests.lab.guest --seconds 3000 -- $(BIN)/pytest $(AGAIN) --timeout 400 -p no:cacheprovider \
         -m ipvs
TABLES := $(addprefix tests/lab/test_,kernel_faults.py second_writer.py plan_and_table.py connections_survive.py \
            connection_sync.py masquerade.py forwarding.py pools.py) \
          $(shell grep -l 'mark\.ipvs' tests/contract/*.py)

.PHONY: test-bench
test-bench: packages $(VENV)/.installed ## The benchmarks in a short form: they run, their figures mean nothing
	@for each in failover jitter idle prober reaction table config proxy; do $(BIN)/python -m tests.bench.$$each --short; done

.PHONY: bench-failover
bench-failover: packages $(VENV)/.installed ## Outages beside keepalived: 30 crashes and stops at 1 s, 100 ms, 10 ms
	$(BIN)/python -m tests.bench.failover --write docs/benchmarks.md

.PHONY: bench-jitter
bench-jitter: packages $(VENV)/.installed ## How late advertisements are on a busy machine (5 minutes)
	$(BIN)/python -m tests.bench.jitter --write docs/benchmarks.md

.PHONY: bench-idle
bench-idle: packages $(VENV)/.installed ## CPU and memory of 1 and of 500 instances (6 minutes)
	$(BIN)/python -m tests.bench.idle --write docs/benchmarks.md

.PHONY: bench-prober
bench-prober: packages $(VENV)/.installed ## What a check costs beside HAProxy's checker, and how many there can be (10 minutes)
	$(BIN)/python -m tests.bench.prober --write docs/benchmarks.md

.PHONY: bench-reaction
bench-reaction: packages $(VENV)/.installed ## From a target's close to the verdict and the programmer's send (1 minute)
	$(BIN)/python -m tests.bench.reaction --write docs/benchmarks.md

.PHONY: bench-table
bench-table: packages $(VENV)/.installed ## The table: 5,000 operations, 37,298 real servers from exec, one changed (5 minutes)
	$(BIN)/python -m tests.bench.table --write docs/benchmarks.md

.PHONY: bench-config
bench-config: packages $(VENV)/.installed ## One revision of 37,298 real servers, then one changed: to every consumer (1 minute)
	$(BIN)/python -m tests.bench.config --write docs/benchmarks.md

.PHONY: bench-proxy
bench-proxy: packages $(VENV)/.installed ## Proxies: events until they are obeyed, reloads, batches, beside file and reload (about 3 minutes)
	$(BIN)/python -m tests.bench.proxy --write docs/benchmarks.md

.PHONY: test-compose
test-compose: packages $(VENV)/.installed ## docker compose up, for real; needs a Docker engine
	$(BIN)/pytest $(AGAIN) tests/compose

.PHONY: test-pythons
test-pythons: packages ## Unit and contract tests on the other Pythons that are here
# tables of packets, kernel objects, peers and HAProxy say nothing about Python: once is enough
	@for version in 3.12 3.13; do \
	    python=$$(tests/support/find-python $$version) || { echo "skipped: no Python $$version here"; continue; }; \
	    $(MAKE) --no-print-directory PYTHON=$$python VENV=.venv-$$version test-unit test-contract \
	        CONTRACT="$(addprefix --ignore-glob=tests/contract/test_,$(ABOUT_PEERS))"; \
	done

ABOUT_PEERS := vrrp_interoperation.py vrrp_wire*.py vrrp_kernel*.py vrrp_agent_keepalived.py ipvs*.py \
               checks_net*.py checks_tcp.py checks_web_leaks.py *_against_keepalived.py health_prober_scale.py \
               haproxy_*.py proxy_*.py

.PHONY: packages
packages:
	@missing=$$(for package in $(PACKAGES); do \
	    dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || echo $$package; \
	done); \
	if [ -n "$$missing" ]; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        policy=/usr/sbin/policy-rc.d; \
	        if [ ! -e $$policy ]; then \
	            trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; \
	        fi; \
	        apt-get update -q >/dev/null && \
	        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing >/dev/null; \
	    else \
	        echo "not installed (run as root, or install them): $$(echo $$missing)"; \
	    fi; \
	fi

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: requirements
requirements: $(VENV)/.installed ## Pin every dependency again, by hash and without addresses
	@for extra in run vrrp-agent ipvs-programmer haproxy-programmer health-prober config-service ctl telemetry; do \
	    $(BIN)/uv pip compile pyproject.toml --extra $$extra $(COMPILE) -o requirements/$$extra.txt; done
	@$(BIN)/uv pip compile pyproject.toml --extra run --group dev $(COMPILE) -o requirements/dev.txt
COMPILE := --upgrade --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q

.PHONY: schema
schema: $(VENV)/.installed ## Write docs/vipbus.schema.json from the reader of vipbus.toml
	$(BIN)/python -m config_service schema > docs/vipbus.schema.json

.PHONY: asyncapi
asyncapi: $(VENV)/.installed ## Write docs/asyncapi.json and docs/events.md from the contracts
	$(BIN)/python -m vipbus.contracts.asyncapi > docs/asyncapi.json
	$(BIN)/python -m vipbus.contracts.catalogue > docs/events.md

.PHONY: keywords
keywords: $(VENV)/.installed ## Write docs/keywords.md and docs/haproxy-keywords.md from the readers' tables
	$(BIN)/python -m config_service.keepalived.keyword_table > docs/keywords.md
	$(BIN)/python -m config_service.haproxy.keyword_table > docs/haproxy-keywords.md

.PHONY: command
command: $(VENV)/.installed ## Write docs/command.md, its JSON Schema and the manual page from the commands
	@mkdir -p deploy/man
	@for each in docs/command.md docs/command.schema.json deploy/man/vipbus.1; do \
	    $(BIN)/python -m ctl.reference $$each > $$each.new && mv $$each.new $$each; done

.PHONY: clean
clean: ## Remove what make made
	rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache artifacts
