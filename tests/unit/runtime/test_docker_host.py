"""Where an engine listens, as operators write it."""

from __future__ import annotations

import pytest

from vipbus.runtime.docker_host import DEFAULT, docker_host


@pytest.mark.parametrize(
    ("text", "environ", "address"),
    [
        ("", {}, DEFAULT),
        ("", {"DOCKER_HOST": "tcp://10.0.0.1:2375"}, "tcp://10.0.0.1:2375"),
        ("unix:///run/x.sock", {"DOCKER_HOST": "tcp://10.0.0.1:2375"}, "unix:///run/x.sock"),
        ("tcp://[fd00::1]:2376", {}, "tcp://[fd00::1]:2376"),
    ],
)
def test_the_option_comes_first_then_the_environment(
    text: str, environ: dict[str, str], address: str
) -> None:
    assert docker_host(text, environ) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "docker",
            "/var/run/docker.sock",
            "unix://",
            "unix://x",
            "ssh://root@host",
            "tcp://",
            "tcp://h:99999",
        ),
        *("tcp://h:2375/path", "npipe:////./pipe/docker", "tcp://h:2375\n", "tcp://[::1", "x" * 100_000),
    ],
)
def test_what_is_no_address_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(ValueError, match="write unix:///PATH or") as caught:
        docker_host(text, {})
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)
