"""Key files: nobody else can read them, nothing is written over, what is no key is refused, and no secret is told."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from links import keys as keys_module
from links.errors import LinkError
from links.keys import generate, load, save

KEYS = generate()
OTHER = generate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.key"
    save(KEYS, str(path))
    return path


def test_a_key_file_comes_back_and_is_for_its_owner_only(file: Path) -> None:
    assert load(str(file)) == KEYS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len({*msgspec.structs.astuple(KEYS), *msgspec.structs.astuple(OTHER)}) == 9  # all new but the format


def test_a_wide_umask_opens_nothing(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save(KEYS, str(tmp_path / "run.key"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run.key").stat().st_mode) == 0o600


def test_secrets_are_not_shown() -> None:
    shown = f"{KEYS} {KEYS!r} {KEYS.__rich_repr__()} {[KEYS]}"
    assert KEYS.server_public in shown
    assert KEYS.server_secret not in shown
    assert KEYS.client_secret not in shown


def test_nothing_is_written_over(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    (tmp_path / "link.key").symlink_to("elsewhere.key")
    for path in (file, tmp_path / "link.key", tmp_path):
        with pytest.raises(LinkError, match="is there already, and a key is never written over"):
            save(OTHER, str(path))
    assert file.read_bytes() == before
    assert not (tmp_path / "elsewhere.key").exists()


@pytest.mark.parametrize("name", ["none/run.key", "run.key/x", "x" * 300, "a\0b"])
def test_a_key_is_not_written_where_it_cannot_be(name: str, file: Path) -> None:
    with pytest.raises(LinkError, match="cannot be written: "):
        save(OTHER, str(file.parent / name))
    assert [path.name for path in file.parent.iterdir()] == ["run.key"]


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys_module.msgspec.json, "format", full)
    with pytest.raises(LinkError, match="No space left on device"):
        save(KEYS, str(tmp_path / "run.key"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_file_open_to_others_is_refused_with_the_remedy(mode: int, file: Path) -> None:
    file.chmod(mode)
    with pytest.raises(LinkError, match=f"is open to other users .*: run chmod 600 {file}"):
        load(str(file))


SECRETS = {"server_secret": KEYS.client_secret, "client_secret": "x" * 40, "client_public": "short", "format": "2"}


@pytest.mark.parametrize("field", SECRETS)
def test_keys_that_do_not_belong_together_are_refused(field: str, tmp_path: Path) -> None:
    save(msgspec.structs.replace(KEYS, **{field: SECRETS[field]}), str(tmp_path / "bad.key"))
    with pytest.raises(LinkError, match="is damaged or of another version") as refused:
        load(str(tmp_path / "bad.key"))
    assert KEYS.server_secret not in str(refused.value)


WHOLE = msgspec.json.encode(KEYS)
CONTENTS = {
    "empty": b"", "text": b"no key", "bytes": b"\xff\xfe" * 40, "list": b"[]", "empty object": b"{}",
    "one more field": WHOLE[:-1] + b',"x":1}', "cut": WHOLE[:100], "number": WHOLE.replace(b'"orbitmesh key 1"', b"1"),
    "nested": b"[" * 4000, "long": WHOLE + b" " * 5000, "surrogate": WHOLE.replace(b"orbitmesh", b"\\ud800"),
    "unicode": WHOLE.replace(KEYS.server_secret.encode(), "é".encode() * 40),
}  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_that_is_no_key_is_refused(content: str, file: Path) -> None:
    file.write_bytes(CONTENTS[content])
    with pytest.raises(LinkError, match=r"is not one|is damaged") as refused:
        load(str(file))
    assert KEYS.client_secret not in str(refused.value)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", ".", "none", "a\0b"):
        with pytest.raises(LinkError, match=r"orbitmesh keygen|is open to other users"):
            load(f"{tmp_path}/{name}")
