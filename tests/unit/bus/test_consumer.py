"""What a consumer makes of what it is sent: in order, answered, or a loss that is said once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from vipbus.bus.consumer import Consumer, Place, header, place


class Client:
    """Notes what is published."""

    def __init__(self) -> None:
        self.published: list[str] = []

    async def publish(self, subject: str) -> None:
        self.published.append(subject)


class Scene:
    """A consumer that is sent things."""

    def __init__(self) -> None:
        self.client = Client()
        self.heard: list[Place] = []
        self.losses = 0
        self.faults: list[Exception] = []
        self.raises: Exception | None = None
        self.consumer = Consumer(
            self.client,  # type: ignore[arg-type]  # it does what is used
            None,  # type: ignore[arg-type]  # it is not opened
            receive=self._receive,
            on_loss=self._lose,
            on_fault=self.faults.append,
        )

    def _receive(self, _subject: bytes, _headers: bytes, _body: bytes, found: Place) -> None:
        if self.raises is not None:
            raise self.raises
        self.heard.append(found)

    def _lose(self) -> None:
        self.losses += 1

    def message(self, number: int) -> None:
        self.send(f"$JS.ACK.KV_x.c.1.{100 + number}.{number}.1700000000000000000.3".encode())

    def send(self, reply: bytes = b"", headers: bytes = b"") -> None:
        self.consumer._take(b"$KV.x.k", reply, headers, b"{}")  # what the parser calls


@pytest.fixture
def tell() -> Callable[[Callable[[Scene], None]], Scene]:
    def run(story: Callable[[Scene], None]) -> Scene:
        async def play() -> Scene:
            scene = Scene()
            story(scene)
            for _ in range(5):
                await asyncio.sleep(0)
            return scene

        return asyncio.run(play())

    return run


Tell = Callable[[Callable[[Scene], None]], Scene]


def test_messages_come_in_their_order(tell: Tell) -> None:
    scene = tell(lambda s: [s.message(number) for number in (1, 2, 3)] and None)
    assert scene.heard == [Place(101, 1, 3), Place(102, 2, 3), Place(103, 3, 3)]
    assert (scene.losses, scene.faults) == (0, [])


@pytest.mark.parametrize("numbers", [(2,), (1, 3), (1, 2, 4, 3), (1, 1)])
def test_a_gap_is_a_loss_and_nothing_after_it_is_heard(tell: Tell, numbers: tuple[int, ...]) -> None:
    scene = tell(lambda s: [s.message(number) for number in (*numbers, *numbers)] and None)
    assert scene.losses == 1
    assert [each.consumer for each in scene.heard] == list(range(1, len(scene.heard) + 1))


def test_flow_control_is_answered_and_a_heartbeat_that_fits_says_nothing(tell: Tell) -> None:
    def story(s: Scene) -> None:
        s.message(1)
        s.send(b"$JS.FC.x", b"NATS/1.0 100 FlowControl Request\r\n\r\n")
        s.send(b"", b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 101\r\n\r\n")
        s.send(b"", b"NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: $JS.FC.y\r\n\r\n")

    scene = tell(story)
    assert scene.client.published == ["$JS.FC.x", "$JS.FC.y"]
    assert (scene.losses, len(scene.heard)) == (0, 1)


def test_a_heartbeat_that_tells_of_more_is_a_loss(tell: Tell) -> None:
    def story(s: Scene) -> None:
        s.message(1)
        s.send(b"", b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\nNats-Last-Stream: 102\r\n\r\n")

    assert tell(story).losses == 1


@pytest.mark.parametrize(
    ("reply", "headers"),
    [
        (b"", b""),
        (b"a.b", b""),
        (b"$JS.ACK.a.b.c.d.e.f.g", b""),
        (b"$JS.ACK.a.b.1.1.1.1", b""),
        (b"\xff.\xfe", b""),
        (b"", b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: many\r\n\r\n"),
        (b"", b"NATS/1.0 \r\n"),
        (b"", b"NATS/1.0 "),
    ],
)
def test_what_no_server_sends_changes_nothing(tell: Tell, reply: bytes, headers: bytes) -> None:
    def story(s: Scene) -> None:
        s.send(reply, headers)
        s.message(1)

    scene = tell(story)
    assert (len(scene.heard), scene.losses, scene.faults) == (1, 0, [])


def test_a_fault_of_whoever_receives_ends_it(tell: Tell) -> None:
    fault = RuntimeError("a mistake")

    def story(s: Scene) -> None:
        s.raises = fault
        s.message(1)
        s.message(2)

    scene = tell(story)
    assert scene.faults == [fault]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (b"$JS.ACK.KV_x.c.1.5.2.1700000000.0", Place(5, 2, 0)),
        (b"$JS.ACK.hub.ACCOUNT.KV_x.c.1.5.2.1700000000.7", Place(5, 2, 7)),
        (b"$JS.ACK._.ACCOUNT.KV_x.c.1.5.2.1700000000.7.random", Place(5, 2, 7)),
    ],
)
def test_both_forms_of_a_reply_subject(reply: bytes, found: Place) -> None:
    assert place(reply) == found


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (b"NATS/1.0\r\nname: v\r\n\r\n", b"v"),
        (b"NATS/1.0\r\nname:v\r\n\r\n", b"v"),
        (b"NATS/1.0\r\nother: name: v\r\n\r\n", None),
        (b"NATS/1.0\r\nname:\r\n\r\n", b""),
        (b"", None),
    ],
)
def test_a_header_is_found_by_its_line(headers: bytes, value: Any) -> None:
    assert header(headers, b"\r\nname:") == value
