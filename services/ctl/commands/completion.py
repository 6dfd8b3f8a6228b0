"""``vipbus completion``."""

from __future__ import annotations

import click

from ctl.cli import command


@command(
    "print a shell's completion script",
    """Print the script that completes commands, options and names in SHELL: bash, zsh or fish. Names of
    routers, instances, virtual servers and real servers come from the bus, where one answers within a
    second.""",
    examples=(
        ("source <(vipbus completion bash)", "in ~/.bashrc, or for everybody:"),
        ("vipbus completion bash > /usr/share/bash-completion/completions/vipbus", ""),
        ("source <(vipbus completion zsh)", "in ~/.zshrc, below compinit"),
        ("vipbus completion fish > ~/.config/fish/completions/vipbus.fish", "in fish"),
    ),
    statuses={0: "it was printed", 2: "SHELL is none of the three"},
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")), metavar="SHELL")
def completion(shell: str) -> int:
    """Print the script."""
    from ctl.completion import source  # noqa: PLC0415
    from ctl.output import write  # noqa: PLC0415

    write(source(click.get_current_context().find_root().command, shell))
    return 0
