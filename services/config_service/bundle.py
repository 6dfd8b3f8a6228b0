"""A configuration that is asked about over the bus: files of this host that are the same, or their text.

Passwords do not cross the bus: whoever asks sends digests first, and text only of what names no password.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config_service.keepalived.compile import Configuration
from config_service.load import compiler
from config_service.problems import ConfigError, Problem
from config_service.source import read_text
from vipbus.contracts.config_commands import ConfigBundle, ConfigFile, text_digest
from vipbus.runtime.secrets import Secrets


class WantsTextError(Exception):
    """The files are not the same here, and their text was not sent."""


def bundle_of(file: Path, configuration: Configuration) -> ConfigBundle:
    """Gather the files that a configuration was read from.

    Raises:
        ConfigError: one of them is not there any more.
    """
    paths = dict.fromkeys(each.absolute() for each in (file, *configuration.files))
    texts = {path: read_text(path, may_be_empty=True) for path in paths}
    return ConfigBundle(
        files=tuple(
            ConfigFile(name=str(path), digest=text_digest(text), text=text) for path, text in texts.items()
        ),
        secrets=bool(configuration.references),
    )


def configuration_of(
    files: Sequence[ConfigFile],
    router: str,
    secrets: Secrets,
    config_id: str | None = None,
    *,
    empty_pools: bool = False,
) -> Configuration:
    """Compile what was asked about, for a router, as its own file is; the first one is the one that is named.

    Raises:
        ConfigError: it is refused.
        WantsTextError: it must be sent.
    """
    main = files[0]
    compile_ = compiler(Path(main.name), router, secrets, config_id, empty_pools=empty_pools)
    if all(_is_here(each) for each in files):
        return _for(router, main, compile_(read_text(Path(main.name))))
    if main.text is None:
        raise WantsTextError
    if len(files) > 1:
        raise _refused(
            main,
            f"it includes {len(files) - 1} other files that are not the same on the router's host; put them "
            "there, at the same place, or apply it there",
        )
    if text_digest(main.text) != main.digest:
        raise _refused(main, "its text is not what its digest says; send it again")
    return _for(router, main, compile_(main.text))


def _is_here(file: ConfigFile) -> bool:
    path = Path(file.name)
    if not path.is_absolute():
        return False
    try:
        return text_digest(read_text(path, may_be_empty=True)) == file.digest
    except (ConfigError, ValueError):  # a name with a null byte
        return False


def _for(router: str, main: ConfigFile, found: Configuration) -> Configuration:
    if found.router != router:
        raise _refused(main, f"it is for router {found.router}, not for {router}")
    return found


def _refused(file: ConfigFile, text: str) -> ConfigError:
    return ConfigError([Problem(file.name, 1, text)])
