# One target a container: docker build --target vrrp-agent .
#
# A service's image holds the base image, this service, what all of them share, and what its own extra in
# pyproject.toml asks for, at the versions and hashes of requirements/. Nothing is compiled, nothing of pip is
# left behind, and only a service that the kernel asks a privilege of starts as root.
ARG PYTHON=python:3.13-slim
# The official image of the version that is wanted: docker build --build-arg HAPROXY=haproxy:3.2 ...
ARG HAPROXY=haproxy:3.2

# ---- what is in every image

FROM ${PYTHON} AS base
ENV PYTHONPATH=/opt/vipbus \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A new volume takes the owner of the directory it covers, so the state directory is made here.
RUN groupadd --gid 10001 vipbus \
 && useradd --uid 10001 --gid vipbus --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vipbus \
 && install -d -o vipbus -g vipbus -m 0700 /var/lib/vipbus
USER vipbus

# For whoever owns sockets that take a privilege. Docker gives added capabilities to uid 0 alone (it has no
# ambient ones, and no-new-privileges makes file capabilities void), so this root has what compose.yaml adds
# and nothing else: it may not even override the permissions of a file.
FROM base AS privileged
USER root
RUN chown root:root /var/lib/vipbus

# ---- what is installed, a stage a service

FROM ${PYTHON} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_REQUIRE_HASHES=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PIP_TARGET=/opt/vipbus
COPY requirements/telemetry.txt ./

FROM build AS build-config-service
COPY requirements/config-service.txt ./
RUN pip install --no-compile -r config-service.txt -r telemetry.txt
COPY shared/vipbus /opt/vipbus/vipbus
COPY services/config_service /opt/vipbus/config_service
# byte code that needs no look at the source: a start takes less, and a read-only root could not keep any
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/vipbus

FROM build AS build-vrrp-agent
COPY requirements/vrrp-agent.txt ./
RUN pip install --no-compile -r vrrp-agent.txt -r telemetry.txt
COPY shared/vipbus /opt/vipbus/vipbus
COPY services/vrrp_agent /opt/vipbus/vrrp_agent
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/vipbus

FROM build AS build-ipvs-programmer
COPY requirements/ipvs-programmer.txt ./
RUN pip install --no-compile -r ipvs-programmer.txt -r telemetry.txt
COPY shared/vipbus /opt/vipbus/vipbus
COPY services/ipvs_programmer /opt/vipbus/ipvs_programmer
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/vipbus

FROM build AS build-haproxy-programmer
COPY requirements/haproxy-programmer.txt ./
RUN pip install --no-compile -r haproxy-programmer.txt -r telemetry.txt
COPY shared/vipbus /opt/vipbus/vipbus
COPY services/haproxy_programmer /opt/vipbus/haproxy_programmer
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/vipbus

# HAProxy with all that it is linked with but the C library, which both images have: they should be of the same
# release of Debian, and a build with others ends where it is first run below.
FROM ${HAPROXY} AS haproxy
USER root
RUN mkdir -p /opt/haproxy/lib \
 && cp "$(command -v haproxy)" /opt/haproxy/haproxy \
 && ldd /opt/haproxy/haproxy | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' \
    | grep -Ev '/(libc|libm|libdl|librt|libpthread|libresolv)\.so' \
    | xargs -I LIBRARY cp -L LIBRARY /opt/haproxy/lib/ \
 && printf '#!/bin/sh\nLD_LIBRARY_PATH=/opt/haproxy/lib exec /opt/haproxy/haproxy "$@"\n' > /opt/haproxy/run \
 && chmod 0755 /opt/haproxy/run

FROM build AS build-health-prober
COPY requirements/health-prober.txt ./
RUN pip install --no-compile -r health-prober.txt -r telemetry.txt
COPY shared/vipbus /opt/vipbus/vipbus
COPY services/health_prober /opt/vipbus/health_prober
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/vipbus

# The `vipbus` command asks and is never asked: no telemetry. `vipbus config check` is config-service's own.
FROM build AS build-ctl
COPY requirements/ctl.txt ./
RUN pip install --no-compile -r ctl.txt
COPY shared/vipbus /opt/vipbus/vipbus
COPY services/ctl /opt/vipbus/ctl
COPY services/config_service /opt/vipbus/config_service
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/vipbus

# ---- the images

FROM base AS config-service
COPY --from=build-config-service /opt/vipbus /opt/vipbus
ENTRYPOINT ["python", "-m", "config_service"]

FROM privileged AS vrrp-agent
COPY --from=build-vrrp-agent /opt/vipbus /opt/vipbus
ENTRYPOINT ["python", "-m", "vrrp_agent"]

FROM privileged AS ipvs-programmer
COPY --from=build-ipvs-programmer /opt/vipbus /opt/vipbus
ENTRYPOINT ["python", "-m", "ipvs_programmer"]

# No privilege: the port is opened by the namespace's own setting, and an address that is not there takes none.
FROM base AS haproxy-programmer
COPY --from=haproxy /opt/haproxy /opt/haproxy
ENV VIPBUS_HAPROXY=/opt/haproxy/run
RUN /opt/haproxy/run -v
COPY --from=build-haproxy-programmer /opt/vipbus /opt/vipbus
ENTRYPOINT ["python", "-m", "haproxy_programmer"]

FROM base AS health-prober
COPY --from=build-health-prober /opt/vipbus /opt/vipbus
ENTRYPOINT ["python", "-m", "health_prober"]

FROM base AS ctl
COPY --from=build-ctl /opt/vipbus /opt/vipbus
ENTRYPOINT ["python", "-m", "ctl"]

# The demonstration's own parts: the owner of a router's network namespace, real servers, a client.
FROM base AS demo
COPY deploy/compose/demo /opt/vipbus/demo
ENTRYPOINT ["python", "-m"]
