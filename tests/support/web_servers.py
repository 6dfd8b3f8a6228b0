"""Real servers for the checks: nginx with a port for each way to serve, openssl s_server, grpcio's own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.waiting import eventually
from tests.support.web_certificates import Certificates

CONTENT = "hello, world\n"
BIG = (1 << 20) + 5


def free_ports(number: int) -> list[int]:
    """Find ports that nobody has now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def answers(port: int, here: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((here, port)).close()
    except ConnectionRefusedError:
        return False
    return True


LOCATIONS = """
    root {root};
    client_max_body_size 1m;
    default_type text/plain;
    location = /hello {{ }}
    location = /big {{ }}
    location = /empty {{ return 204; }}
    location = /broken {{ return 503 "broken\\n"; }}
    location = /moved {{ return 302 /hello; }}
    location = /moved-absolutely {{ return 301 $scheme://$http_host/hello; }}
    location = /moved-thrice {{ return 307 /moved-twice; }}
    location = /moved-twice {{ return 307 /moved; }}
    location = /moved-for-ever {{ return 302 /moved-for-ever; }}
    location = /moved-away {{ return 302 ftp://elsewhere.example/; }}
    location = /said {{ return 200 "$request_method $http_host $http_x_probe $http_user_agent\\n"; }}
    location = /method {{ if ($request_method != POST) {{ return 405; }} return 200 "posted\\n"; }}
    location = /taken {{ proxy_pass http://127.0.0.1:{plain}/hello; proxy_method GET; proxy_set_body ""; }}
    location = /name {{ return 200 "$ssl_server_name\\n"; }}
    location = /client {{ return 200 "$ssl_client_verify\\n"; }}
"""


class Nginx:
    """A context; its ports by what they serve."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        self._directory = directory
        self._certificates = certificates
        names = ("plain", "h2", "tls", "tls12", "h1_only", "expired", "early", "soon", "other_name")
        names += ("unknown", "self_signed", "client", "client12", "once")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    def __getattr__(self, name: str) -> int:
        try:
            return self.ports[name]
        except KeyError:
            raise AttributeError(name) from None

    def __enter__(self) -> Nginx:
        root = self._directory / "root"
        root.mkdir()
        (root / "hello").write_text(CONTENT)
        (root / "big").write_bytes(b"x" * BIG)
        config = self._directory / "nginx.conf"
        config.write_text(self._config(root))
        self._process = subprocess.Popen(
            ["nginx", "-p", str(self._directory), "-c", str(config), "-e", str(self._directory / "error.log")]
        )
        try:
            eventually(lambda: answers(self.plain), "nginx listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _config(self, root: Path) -> str:
        files = self._certificates
        locations = LOCATIONS.format(root=root, plain=self.plain)

        def tls(port: str, certificate: Path, more: str = "", http2: str = "http2") -> str:
            return (
                f"server {{ listen 127.0.0.1:{self.ports[port]} ssl {http2};\n ssl_certificate {certificate};"
                f"\n ssl_certificate_key {certificate};\n {more}\n{locations} }}\n"
            )

        wanted = f"ssl_verify_client on; ssl_client_certificate {files.ca};"
        servers = [
            f"server {{ listen 127.0.0.1:{self.plain}; {locations} }}",
            f"server {{ listen 127.0.0.1:{self.h2} http2; {locations} }}",
            f"server {{ listen 127.0.0.1:{self.once} http2; keepalive_requests 1; {locations} }}",
            tls("tls", files.good, "ssl_protocols TLSv1.2 TLSv1.3;"),
            tls("tls12", files.good, "ssl_protocols TLSv1.2;"),
            tls("h1_only", files.good, http2=""),
            tls("client", files.good, f"ssl_protocols TLSv1.3; {wanted}"),
            tls("client12", files.good, f"ssl_protocols TLSv1.2; {wanted}"),
            *(
                tls(each, getattr(files, each))
                for each in ("expired", "early", "soon", "other_name", "unknown", "self_signed")
            ),
        ]
        return (
            f"daemon off; master_process off; worker_processes 1; pid {self._directory}/pid;\n"
            "events { worker_connections 512; }\n"
            f"http {{ access_log off; client_body_temp_path {self._directory}/body;\n"
            f"proxy_temp_path {self._directory}/proxy; fastcgi_temp_path {self._directory}/fastcgi;\n"
            f"uwsgi_temp_path {self._directory}/uwsgi; scgi_temp_path {self._directory}/scgi;\n"
            + "\n".join(servers)
            + "}\n"
        )


@contextmanager
def openssl_server(certificate: Path, *options: str, here: str = "127.0.0.1") -> Iterator[int]:
    """Run ``openssl s_server``; its port."""
    (port,) = free_ports(1)
    own = ("-cert", str(certificate), "-key", str(certificate))
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"{here}:{port}", "-quiet", *own, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: answers(port, here.strip("[]")), "s_server listens")
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def grpc_server(
    certificate: Path | None = None, client_ca: Path | None = None, *, with_health: bool = True
) -> Iterator[int]:
    """Run grpcio's server with its own health service (`tests.support.web_grpc_server`); its port."""
    options = [str(certificate or ""), str(client_ca or ""), "health" if with_health else ""]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.web_grpc_server", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # every refused handshake is a line
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.communicate("", 10)  # the end of its input is its own
