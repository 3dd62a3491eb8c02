"""`orbitmesh live` and `run --engine live` as users meet them: what they print and keep, and what they refuse."""

import json
import os
import socket as sockets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import main
from emulator.errors import BadInput
from emulator.schedulers.orbit import onboard
from links.endpoints import ipc_endpoint


@pytest.fixture
def folder(stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where commands run, with a scenario in it; temporary files go to `folder/../om-...`, which must end up empty."""
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as temporary:  # sockets need a short path
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "stage.toml").write_text(
            stage.scenario("AE", "I", duration_s=1.0) + "[imaging]\nscene_interval_s = 0.2\n"
        )
        yield tmp_path
        assert list(Path(temporary).iterdir()) == []
        assert stage.children(os.getpid()) == []
    monkeypatch.setattr(tempfile, "tempdir", None)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_live_run_says_what_it_was_and_keeps_a_whole_trace(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["live", "stage.toml", "--policy", "onboard", "--late-budget", "3600", "--payload", "real", "--json"]
    assert main([*command, "--app", "A=true", "--app", "E=false", "--out", "trace"]) == 0
    said = capfd.readouterr()
    document = json.loads(said.out)
    live = document["live"]
    assert document["tasks"]["captured"] > 0
    assert document["late_s"]["n"] == live["late_s"]["n"] > 0
    assert set(live["nodes"]) == {"A", "E", "I"}
    assert live["restarts"] == live["stale"] == 0
    assert live["incidents"] == ["program 'false' on E ended with exit code 1"]
    assert any("real bytes, all zero" in note for note in document["notes"])
    sent, received = (sum(n.get(name, 0) for n in live["nodes"].values()) for name in ("sent", "received"))
    assert sent == received > 0
    assert sum(n.get("sent_bytes", 0) for n in live["nodes"].values()) > sent * 1024  # a product has that many at least
    assert listing(folder) == ["stage.toml", "trace"]
    assert listing(folder / "trace") == [
        "decisions.jsonl.gz", "events.jsonl.gz", "footer.json", "header.json", "live.json", "summary.json",
        "world.json.gz",
    ]  # fmt: skip
    assert json.loads((folder / "trace" / "header.json").read_text())["engine"] == "live"
    assert json.loads((folder / "trace" / "live.json").read_text())["late_s"] == document["late_s"]
    assert main(["replay", "trace", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["digest"] == document["digest"]


def test_a_rate_that_no_host_keeps_up_with_ends_late_and_fails(
    stage: Any, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is reported after the end, as all is here, does not keep the run from ending."""
    alone = stage.scenario("A", "G", duration_s=2.0)  # with no link, no light can be overtaken
    Path("stage.toml").write_text(alone + "[imaging]\nscene_interval_s = 0.2\n")
    assert main(["live", "stage.toml", "--policy", "onboard", "--no-table", "--rate", "10000"]) == 1
    said = capfd.readouterr().err
    assert "the run failed: RunFailed: lateness is over the budget: p99 " in said
    assert "a slower --rate, --rate auto, or a larger --late-budget" in said


# what cannot be


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--rate", "fast"], "--rate 'fast': a number of emulated seconds per second, or auto"),
        (["--rate", "0"], "--rate 0.0: emulated seconds per second, 0.0001 to 10000, or auto"),
        (["--rate", "nan"], "--rate nan: emulated seconds per second"),
        (["--rate=-1"], "--rate -1.0: emulated seconds per second"),
        (["--late-budget", "0"], "--late-budget 0.0: emulated seconds above 0"),
        (["--late-budget", "inf"], "--late-budget inf: emulated seconds above 0"),
        (["--payload", "imaginary"], "--payload: invalid choice"),
        (["--transport", "pigeon"], "--transport: invalid choice"),
        (["--provider", "abacus"], "--provider 'abacus': one of cpu, cuda, tensorrt"),
        (["--threads", "0"], "--threads 0: 1 to 256"),
        (["--threads", "many"], "--threads: invalid int value"),
        (["--spin", "1"], "--spin 1.0: wall seconds, 0 to 0.01"),
        (["--app", "nonsense"], "--app 'nonsense': write NODE=COMMAND"),
        (["--app", "Z=true"], "--app 'Z': there is no such node; there are A, E, I"),
        (["--app", "A='unclosed"], "--app A='unclosed: cannot be "),
        (["--sockets", "stage.toml"], "--sockets stage.toml: "),
        (["--sockets", "s" * 120], "--sockets "),
        (["--listen", "7100"], "--listen: endpoint '7100' has no transport that is known; write ipc:///PATH or tcp://"),
        (["--listen", "ipc:///tmp/x"], "--listen ipc:///tmp/x: other hosts need tcp://HOST:PORT"),
        (["--listen", "tcp://0.0.0.0:7100"], "name one address of this host by which others reach it"),
        (["--listen", "tcp://192.0.2.1:7100"], "can be reached from other hosts: give --key FILE"),
        (["--listen", "tcp://127.0.0.1:99999"], "has the port '99999'; a port is 1 to 65535"),
        (["--key", "nowhere.key"], "nowhere.key"),
        (["--key", "stage.toml"], "stage.toml"),
        (["--remote", "A"], "--remote: nodes of other hosts need an endpoint to join: give --listen"),
        (["--listen", "tcp://127.0.0.1:0", "--remote", "Z"], "--remote 'Z': there is no such node"),
        (["--join-timeout", "nan"], "--join-timeout nan: wall seconds above 0"),
        (["--policy", "mehs"], "did you mean mesh?"),
        (["--duration", "0"], "--duration is 0.0; above 0"),
        (["--out", "stage.toml"], "--out stage.toml is there and not an empty folder"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    try:
        code = main(["live", "stage.toml", "--no-table", *arguments])
    except SystemExit as ended:  # argparse
        code = ended.code
    said = capfd.readouterr()
    assert why in said.err
    assert (code, said.out) == (2, "")
    assert listing(folder) == ["stage.toml"]


def test_a_rate_at_which_light_would_be_overtaken_is_refused(stage: Any) -> None:
    made = stage.build([stage.radio("A")], [], satellites="A")
    with pytest.raises(BadInput, match=r"--rate 10000: light takes 250\.000 ms between A - G .* give --rate auto, or "):
        stage.live(made, onboard, rate=10_000.0)


def test_a_program_that_is_not_there_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "stage.toml", "--no-table", "--app", "A=no-such-program --ever"]) == 2
    assert "--app A=no-such-program --ever: cannot be started: " in capfd.readouterr().err


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_this_host_lacks_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str], provider: str
) -> None:
    import onnxruntime

    if any(provider in name.lower() for name in onnxruntime.get_available_providers()):
        pytest.skip(f"this host has {provider}")
    assert main(["live", "stage.toml", "--no-table", "--provider", provider]) == 2
    assert f"--provider {provider}: it is not there: this onnxruntime has cpu" in capfd.readouterr().err


def test_options_of_live_runs_need_a_live_engine(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "stage.toml", "--policy", "mesh", "--rate", "1", "--app", "A=true"]) == 2
    assert "only live runs take --rate, --app: add --engine live" in capfd.readouterr().err


def test_a_port_that_is_taken_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        command = ["run", "stage.toml", "--policy", "mesh", "--engine", "live", "--listen", endpoint, "--remote", "A"]
        assert main([*command, "--out", "trace"]) == 2
    assert f"{endpoint!r} cannot be bound: it is taken by another program" in capfd.readouterr().err
    assert listing(folder) == ["stage.toml"]


def test_a_folder_of_sockets_that_another_run_has_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as doors, sockets.socket(sockets.AF_UNIX) as other:
        other.bind(ipc_endpoint(doors, "door E").removeprefix("ipc://"))
        other.listen()
        assert main(["live", "stage.toml", "--no-table", "--sockets", doors]) == 2
    assert "cannot be bound: it is taken by another program" in capfd.readouterr().err


def test_a_run_that_may_not_open_enough_files_is_refused(folder: Path) -> None:
    script = "import resource as r, sys; from emulator.cli import main; r.setrlimit(r.RLIMIT_NOFILE, (48, 48)); "
    command = [sys.executable, "-c", script + "sys.exit(main(['live', 'stage.toml', '--no-table']))"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "3 nodes needs 76 open files, and this user may have 48" in done.stderr


def test_a_full_disk_fails_the_run_and_leaves_nothing(
    stage: Any, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user cannot mount a small disk")
    try:
        command = ["live", "stage.toml", "--no-table", "--late-budget", "3600", "--spin", "0"]
        assert main([*command, "--out", "small/trace"]) == 1
        assert listing(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert "the run failed: [Errno 28] No space left on device" in capfd.readouterr().err
