"""`orbitmesh keygen`: a key file for its owner only, never over another, and no secret on the screen."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from links.keys import load


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("out", [(), ("--out", "run.key")])
def test_a_key_file_is_made_and_its_secrets_are_not_shown(
    options: tuple[str, ...], out: tuple[str, ...], orbitmesh: Callable[..., Any], tmp_path: Path
) -> None:
    done = orbitmesh("keygen", *out, *options)
    assert (done.code, done.err) == (0, "")
    (path,) = tmp_path.iterdir()
    assert path.name == (out[1] if out else "orbitmesh.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = load(str(path))
    for secret in (keys.server_secret, keys.client_secret):
        assert secret not in done.out
        assert json.dumps(secret) not in done.out
    assert path.name in done.out
    if options:
        shown = {"path": path.name, "server_public": keys.server_public, "client_public": keys.client_public}
        assert done.document == shown


def test_no_key_is_written_over_another(orbitmesh: Callable[..., Any], refused: Callable[..., str]) -> None:
    assert orbitmesh("keygen").code == 0
    assert "orbitmesh.key is there already, and a key is never written over; name another" in refused("keygen")


@pytest.mark.parametrize("out", ["none/run.key", "x" * 300, "", "/proc/nothing/run.key"])
def test_a_key_is_not_put_where_it_cannot_be(out: str, refused: Callable[..., str]) -> None:
    assert "cannot be written: " in refused("keygen", "--out", out, "--json")
