"""The commands of a revision's life as people and programs call them, against a real bus."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.contract.revision_site import Site, play, weighing
from tests.contract.test_config_service import GOOD, with_password
from tests.support.nats import NatsServer
from tests.support.shapes import as_documented


async def vipbus(one: Site, *words: str) -> tuple[int, str, str]:
    """Run the command; give its exit status and what it said."""
    command = [sys.executable, "-P", "-m", "ctl", *words, "--bus", one.url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def asked(one: Site, status: int, name: str, *words: str) -> Any:
    """Run it with --json; what it prints is as documented."""
    found, out, err = await vipbus(one, *name.split(), *words, "--json")
    assert found == status, err
    return as_documented(name, out)


def test_a_change_is_looked_at_made_tried_and_taken_back(nats_server: NatsServer, tmp_path: Path) -> None:
    async def story(one: Site) -> None:
        new, wrong = tmp_path / "new.conf", tmp_path / "wrong.conf"
        new.write_text(weighing(5))
        wrong.write_text(GOOD.replace("weight 1", "weight many", 1))
        one.start()
        await one.reaches(1)

        assert (await vipbus(one, "config", "diff", str(one.file), "--no-table"))[0] == 0
        status, out, _ = await vipbus(one, "config", "diff", str(new), "--no-table")
        assert status == 1
        assert "would change revision 1, which runs: 0 added, 1 changed, 0 removed" in " ".join(out.split())
        assert "  ~ real-server 10.9.1.21:80 of 10.9.0.100:80 TCP\n      weight: 1 -> 5\n" in out
        (answer,) = await asked(one, 3, "config diff", str(new))
        assert (answer["config"]["changed"], answer["table"]) == (1, None)
        status, _, err = await vipbus(one, "config", "apply", str(wrong))
        assert (status, one.revision()) == (2, 1)
        assert f"{wrong}:10:" in err
        assert "weight many" in err

        status, out, err = await vipbus(
            one, "config", "apply", str(new), "--for", "1h", "--why", "tests", "--by", "ann@lb1", "--wait",
            "--within", "0.1",
        )  # fmt: skip
        # no agent, programmer or prober runs here
        assert (status, "nobody who would work from it answers" in out) == (3, True)
        assert "it goes back to revision 1 at" in out
        assert "not held everywhere yet: r1" in err
        answer = await asked(one, 2, "config apply", str(one.file))
        assert "revision 2 is on trial" in answer["results"][0]["reason"]
        answer = await asked(one, 0, "config confirm")
        assert answer["results"][0]["note"]["confirmed"] is not None
        assert (await vipbus(one, "config", "confirm"))[0] == 2

        answer = await asked(one, 2, "config apply", str(one.file), "--on", "1")
        assert answer["results"][0]["conflict"]["by"] == "ann@lb1"
        assert (await vipbus(one, "server", "set-weight", "10.9.0.100:80", "10.9.1.21:80", "7"))[0] == 0
        answer = await asked(one, 2, "server remove", "10.9.0.100:80", "10.9.1.99:80")
        assert "no real server '10.9.1.99:80'" in answer["results"][0]["reason"]
        answer = await asked(one, 0, "server add", "10.9.0.100:80", "10.9.1.23:80", "--weight", "2")
        assert answer["results"][0]["note"]["added"] == 1
        assert (await vipbus(one, "server", "set-weight", "10.9.0.9:80", "10.9.1.21:80", "7"))[0] == 2

        status, out, _ = await vipbus(one, "config", "history")
        lines = out.splitlines()
        assert (status, lines[0]) == (0, "router r1: revision 4 runs, 4 revisions shown")
        assert [line.split()[0] for line in lines[1:]] == ["REV", "4", "3", "2", "1"]
        assert "ann@lb1 apply, confirmed +0 ~1 -0" in " ".join(lines[4].split())
        assert lines[4].endswith(f"{new}: tests")
        (answer,) = await asked(one, 0, "config history", "-n", "1")
        assert [each["revision"] for each in answer["revisions"]] == [4]
        shown = await asked(one, 0, "config show", "3")
        assert [each["fields"] for each in shown["changes"]] == [
            [{"name": "weight", "before": "5", "after": "7"}]
        ]
        assert "why       tests" in (await vipbus(one, "config", "show", "2"))[1]
        assert (await vipbus(one, "config", "show", "9"))[0] == 2
        answer = await asked(one, 0, "config rollback", "1", "--why", "enough")
        assert answer["results"][0]["revision"] == 5
        assert one.weight() == 1
        assert (await vipbus(one, "config", "rollback", "9"))[0] == 2

    play(nats_server, tmp_path, story)


def test_a_file_with_passwords_is_applied_where_it_is_and_never_sent(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async def story(one: Site) -> None:
        heard: list[bytes] = []

        async def listen(message: Any) -> None:
            heard.append(message.data)

        await one.bus.client().subscribe("vipbus.cmd.>", cb=listen)
        secret = tmp_path / "secret.conf"
        secret.write_text(with_password("geheim-1"))
        one.start()
        await one.reaches(1)
        assert (await vipbus(one, "config", "apply", str(secret)))[0] == 0
        head = await one.reaches(2)
        assert head.source == str(secret)
        assert any(b"secret.conf" in body for body in heard)
        assert not any(b"geheim" in body for body in heard)

    play(nats_server, tmp_path, story)
