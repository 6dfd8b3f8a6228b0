"""grpcio's server with grpcio's own health service, in a process of its own.

Its messages and grpclib's have the same names, and one process can hold only one of the two.

Arguments: the server's certificate and key, the clients' authority (each may be empty), ``health``. It prints
its port and ends when its input does.
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICES = {
    "": health_pb2.HealthCheckResponse.SERVING,
    "good": health_pb2.HealthCheckResponse.SERVING,
    "bad": health_pb2.HealthCheckResponse.NOT_SERVING,
    "unsure": health_pb2.HealthCheckResponse.UNKNOWN,
    "gone": health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
}


def main(certificate: str, client_ca: str, with_health: str) -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    if with_health:
        service = health.HealthServicer()
        for name, status in SERVICES.items():
            service.set(name, status)
        health_pb2_grpc.add_HealthServicer_to_server(service, server)
    if certificate:
        credentials = grpc.ssl_server_credentials(
            [_key_and_chain(Path(certificate).read_bytes())],
            root_certificates=Path(client_ca).read_bytes() if client_ca else None,
            require_client_auth=bool(client_ca),
        )
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0).wait(10)


def _key_and_chain(pem: bytes) -> tuple[bytes, bytes]:
    blocks = re.findall(rb"-----BEGIN .*?-----END [A-Z ]+-----\n", pem, re.DOTALL)
    key = b"".join(each for each in blocks if b"PRIVATE KEY" in each)
    return key, b"".join(each for each in blocks if b"PRIVATE KEY" not in each)


if __name__ == "__main__":
    main(*sys.argv[1:])
