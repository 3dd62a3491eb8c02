"""What a user may type wrong in a scenario or on the command line: refused with place, value and remedy, exit 2."""

from collections.abc import Callable
from pathlib import Path

import pytest

ISS = (  # Skyfield's own example, docs/earth-satellites.rst
    "1 25544U 98067A   18184.80969102  .00001614  00000-0  31745-4 0  9993",
    "2 25544  51.6414 295.8524 0003435 262.6267 204.2868 15.54005638121106",
)

Refused = Callable[..., str]
Write = Callable[..., str]

FIELDS = {  # what is added to a scenario of four lines: (line of the fault, what the message must hold)
    '[laser]\nmax_range_km = 500\n': (5, "laser.max_range_km", "did you mean 'max_range_m'?"),
    '[laser]\nmax_range_m = "500 km"\n': (5, "laser.max_range_m", "is '500 km'; it must be a bare number"),
    "[laser]\nmax_range_m = -1\n": (5, "laser.max_range_m", "is -1.0", "more than 0"),
    "[laser]\nmax_range_m = inf\n": (5, "laser.max_range_m", "is inf", "at most 1e+09 m"),
    "[laser]\nmax_range_m = nan\n": (5, "laser.max_range_m", "is nan"),
    "[lasers]\nmax_range_m = 5\n": (4, "lasers", "did you mean 'laser'?"),
    "[downlink]\nmin_elevation_deg = 5\n": (5, "downlink.min_elevation_deg", "it belongs to stations"),
    "colour = 3\n": (4, "colour", "there is no field 'colour'"),
    "epoch = 2025-10-03T16:00:00Z\n": (4, "epoch", "is 2025-10-03T16:00:00+00:00; it must be text, in quotes"),
    'epoch = "2025-10-03 at four"\n': (4, "epoch", "'2025-10-03 at four'", "YYYY-MM-DDTHH:MM:SSZ"),
    'epoch = "2025-02-30T00:00:00Z"\n': (4, "epoch", "'2025-02-30T00:00:00Z' is no date"),
    'epoch = "1900-01-01T00:00:00Z"\n': (4, "epoch", "'1900-01-01T00:00:00Z' lies outside 1957-10-04 to 2056-12-31"),
    'epoch = "2525-01-01T00:00:00Z"\n': (4, "epoch", "'2525-01-01T00:00:00Z' lies outside 1957-10-04 to 2056-12-31"),
    "seed = 1.5\n": (4, "seed", "is 1.5; it must be a bare whole number"),
    "seed = -1\n": (4, "seed", "is -1", "0 to 2^63 - 1"),
    "seed = 99999999999999999999\n": (4, "seed", "67 bits"),
    "policies = []\n": (4, "policies", "at least one"),
    'policies = "mesh"\n': (4, "policies", "is 'mesh'; it must be a list"),
    'policies = ["mesh", "mesh"]\n': (4, "policies", "names mesh twice"),
    'knowledge = "total"\n': (4, "knowledge", "is 'total'", "one of global"),
    '[products]\ncloudy = "burn"\n': (5, "products.cloudy", "is 'burn'; it must be one of 'summary', 'drop'"),
    '[satellites]\nprocessor = "tbc-745"\n': (5, "satellites.processor", "'tbc-745'", "did you mean 'tbc-744'?"),
    '[satellites]\nefficiency = "total"\n': (5, "satellites.efficiency", "'total'", "peak, embedded, datacenter"),
    '[satellites]\nprecision = "int4"\n': (5, "satellites.precision", "'int4'", "int8"),
    '[satellites]\nfile = "x.tle"\n': (5, "satellites.file", "x.tle", "cannot be read"),
    '[imaging]\nmodel = "cloud-scream"\n': (5, "imaging.model", "is 'cloud-scream'; one of cloud-screen"),
    "[imaging]\nscene_interval_s = 1e-6\n": (5, "imaging.scene_interval_s", "7.2e+09 scenes", "20000000 at most"),
    "[imaging]\ndistinct_tiles = 900719925474099\n": (5, "imaging.distinct_tiles", "is 900719925474099", "65536"),
    '[models]\ncloud = "../cloud.onnx"\n': (5, "models.cloud", "is '../cloud.onnx', which leads out"),
    '[models]\ncloud = "/cloud.onnx"\n': (5, "models.cloud", "is '/cloud.onnx', which leads out"),
    '[models]\ncloud = "gone.onnx"\n[imaging]\nmodel = "cloud"\n': (5, "models.cloud", "gone.onnx: no such file"),
    '[[faults]]\nnode = "SCS-01 Z"\nat_s = 1\n': (5, "faults[1].node", "is 'SCS-01 Z', which is no node"),
    '[[faults]]\nnode = "SCS-01 A"\nat_s = 9\nrecovers_s = 8\n': (7, "faults[1].recovers_s", "is 8.0", "at_s = 9.0"),
    '[topology]\nkind = "mesh"\n': (5, "topology.kind", "is 'mesh'", "ring, nearest-k, +grid, all-visible, fixed"),
    '[topology]\nkind = "fixed"\npairs = [["SCS-01 A"]]\n': (6, "topology.pairs[1]", "of length 2"),
    '[topology]\nkind = "fixed"\npairs = [["SCS-01 A", "Q"]]\n': (6, "topology.pairs", "'Q'; the satellites are SCS"),
    '[topology]\nkind = "fixed"\npairs = [["SCS-01 A", "SCS-01 B"]]\n': (6, "topology.pairs", "never see each other"),
}  # fmt: skip


@pytest.mark.parametrize("text", FIELDS)
def test_a_field_that_cannot_be(text: str, refused: Refused, scenario: Write) -> None:
    line, field, *parts = FIELDS[text]
    said = refused("run", scenario(text), "--policy", "onboard")
    assert f"mine.toml:{line}: {field}: " in said
    for part in parts:
        assert str(part) in said


def test_a_link_that_geometry_forbids_names_range_and_horizon(refused: Refused, tmp_path: Path) -> None:
    # second neighbours of a ring of twelve at 500 km are 6,878 km apart; sight ends at 4,733 km: facts of the orbit
    (tmp_path / "ring.toml").write_text(
        'extends = "three-body-ring"\nname = "ring"\nduration_s = 600.0\n[topology]\nkind = "fixed"\n'
        'pairs = [\n  ["SCS-ring 0", "SCS-ring 1"],\n  ["SCS-ring 0", "SCS-ring 2"]\n]\n'
    )
    for command in (("run", "ring.toml", "--policy", "mesh"), ("links", "ring.toml", "--at", "2025-10-03T16:00:00Z")):
        said = refused(*command)
        assert "ring.toml:6: topology.pairs: " in said
        assert "SCS-ring 0-SCS-ring 2 (closest 68" in said
        assert "SCS-ring 0-SCS-ring 1 " not in said
        assert "horizon 47" in said
        assert "80 km up" in said


def test_every_problem_is_told_at_once(refused: Refused, scenario: Write) -> None:
    said = refused(
        "run", scenario("seed = -1\n[laser]\nacquisition_s = nan\n[imaging]\nraw_bytes = 0\n"), "--policy", "x"
    )
    assert "mine.toml:4: seed: is -1" in said
    assert "mine.toml:6: laser.acquisition_s: is nan" in said
    assert "mine.toml:8: imaging.raw_bytes: is 0" in said


def test_a_fault_in_what_is_extended_is_placed_there(refused: Refused, tmp_path: Path, scenario: Write) -> None:
    scenario("[laser]\nbits_per_s = -5\n", "base.toml")
    (tmp_path / "top.toml").write_text('extends = "base.toml"\n[laser]\nper_satellite = 3\n')
    assert "base.toml:5: laser.bits_per_s: is -5" in refused("run", "top.toml", "--policy", "mesh")


@pytest.mark.parametrize(
    ("stations", "part"),
    [
        ('[[stations]]\nname = "A"\nlongitude_deg = 0\n', ":4: stations[1].latitude_deg: is missing"),
        (
            '[[stations]]\nname = "A"\nlatitude_deg = 0\nlongitude_deg = 0\n\n'
            '[[stations]]\nname = "B"\nlatitude_deg = 91\nlongitude_deg = 0\n',
            ":11: stations[2].latitude_deg: is 91.0; must be from -90 to 90 degrees",
        ),
        (
            '[[stations]]\nname = "A"\nlatitude_deg = 0\nlongitude_deg = 0\n' * 2,
            ":9: stations[2].name: is 'A', which another node has",
        ),
        (
            '[[stations]]\nname = "SCS-01 A"\nlatitude_deg = 0\nlongitude_deg = 0\n',
            ":5: stations[1].name: is 'SCS-01 A', which another node has",
        ),
        (
            '[[stations]]\nname = "\\u00a0\\u2028"\nlatitude_deg = 0\nlongitude_deg = 0\n',
            ":5: stations[1].name: is '",
        ),
        (
            '[[stations]]\nname = "A"\nlatitude_deg = 0\nlongitude_deg = 0\nprocessor = "a1000"\n',
            ":8: stations[1].processor: there is no processor 'a1000': did you mean 'a100'?",
        ),
    ],
)
def test_stations_that_cannot_be(stations: str, part: str, refused: Refused, scenario: Write) -> None:
    assert "mine.toml" + part in refused("run", scenario(stations), "--policy", "onboard")


def elements(lines: tuple[str, ...], refused: Refused, scenario: Write, tmp_path: Path) -> str:
    (tmp_path / "iss.tle").write_text("\n".join(lines) + "\n")
    name = scenario('epoch = "2018-07-03T20:00:00Z"\n[satellites]\nelements = []\nfile = "iss.tle"\n')
    return refused("run", name, "--policy", "onboard")


def test_elements_with_a_wrong_checksum(refused: Refused, scenario: Write, tmp_path: Path) -> None:
    altered = ISS[1].replace("51.6414", "51.6415")
    said = elements((ISS[0], altered), refused, scenario, tmp_path)
    assert "mine.toml:7: satellites.file: " in said
    assert "iss.tle, line 2: checksum is '6' but the line adds up to '7'" in said


def test_elements_cut_short_or_doubled(refused: Refused, scenario: Write, tmp_path: Path) -> None:
    assert "iss.tle, line 1: the file ends within" in elements(ISS[:1], refused, scenario, tmp_path)
    assert "iss.tle, line 3: satellite 25544" in elements(ISS * 2, refused, scenario, tmp_path)
    assert "no element set" in elements(("",), refused, scenario, tmp_path)


def test_elements_that_decay_are_named(refused: Refused, scenario: Write) -> None:
    # 16.4 revolutions a day are some 150 km up (Kepler), and this drag is a thousand times that of the ISS
    numbers = "mean_motion_rev_per_day = 16.4\neccentricity = 0.001\ninclination_deg = 97.4\nraan_deg = 0\n"
    numbers += 'arg_of_perigee_deg = 0\nmean_anomaly_deg = 0\nbstar = 0.05\nepoch = "2025-09-30T00:00:00Z"\n'
    said = refused("run", scenario(f'[[satellites.elements]]\nname = "Falls"\n{numbers}'), "--policy", "onboard")
    assert ": satellites: SGP4 cannot propagate these satellites" in said
    assert "Falls: code " in said


@pytest.mark.parametrize("path", ["../iss.tle", "/iss.tle", "sub/../../iss.tle", "link/iss.tle"])
def test_elements_outside_the_folder(path: str, refused: Refused, scenario: Write, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path.parent)
    name = scenario(f'[satellites]\nelements = []\nfile = "{path}"\n')
    said = refused("run", name, "--policy", "onboard")
    assert f"mine.toml:6: satellites.file: is '{path}', which leads out of the scenario's folder" in said


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('extends = "mine.toml"\n', "mine.toml:1: extends: 'mine.toml' leads back"),
        ('extends = "../other.toml"\n', "mine.toml:1: extends: '../other.toml' is neither"),
        ('extends = "gone.toml"\n', "gone.toml: no such file"),
        ("extends = 3\n", "mine.toml:1: extends: is 3; give one scenario's name"),
        ("a = [\n", "mine.toml: is not TOML: "),
        ("a = 1\na = 2\n", "mine.toml: is not TOML: Cannot overwrite a value (at line 2"),
        ("a = " + "[" * 5000, "mine.toml: is nested too deeply"),
        ("a = " + "[" * 50 + "]" * 50, "mine.toml:1: a[1][1][1]: is nested too deeply"),
        (".".join("a" * 50) + " = 1\n", "is nested too deeply"),
        ("seed = " + "9" * 5000, "mine.toml: holds a whole number of thousands of digits"),
        ('name = "a\\u0000"\n', "mine.toml:1: name: is 'a\\x00'; control characters"),
        ('name = "three"\n', "mine.toml: epoch: is missing"),
        ("", "mine.toml: name: is missing"),
        ("name = 3\n", "mine.toml:1: name: is 3; it must be text, in quotes"),
    ],
)
def test_a_file_that_is_no_scenario(text: str, part: str, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    assert part in refused("run", "mine.toml", "--policy", "onboard")


def test_two_scenarios_that_extend_each_other(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"\n')
    (tmp_path / "b.toml").write_text('name = "b"\nextends = "a.toml"\n')
    assert "b.toml:2: extends: 'a.toml' leads back" in refused("run", "a.toml", "--policy", "onboard")


@pytest.mark.parametrize("name", ["../up", "/x/y", "a/b", ".hidden", "", " ", "x" * 65, "a\\nb"])
def test_a_name_that_makes_no_folder(name: str, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'extends = "three-body"\nname = "{name}"\n')
    assert "mine.toml:2: name: is '" in refused("compare", "mine.toml")


def test_files_that_cannot_be_read(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_text("# " + "x" * (4 << 20))
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"\n')
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    for name, part in (
        ("big.toml", "more than 4194304 bytes"),
        ("latin.toml", "no UTF-8 text: byte 8 is 0xe9"),
        (".", "no such file"),
        ("loop.toml", ""),
        ("x" * 5000, ""),
        ("three-bodi", "did you mean three-body"),
    ):
        assert part in refused("run", name, "--policy", "onboard")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "three-body", "--policy", "onboard", "--duration", "nan"), "--duration is nan; above 0"),
        (("run", "three-body", "--policy", "onboard", "--duration", "inf"), "--duration is inf; above 0"),
        (("run", "three-body", "--policy", "onboard", "--duration", "-1"), "--duration is -1.0; above 0"),
        (("run", "three-body", "--policy", "onboard", "--duration", "1e9"), "at most 31622400.0 s"),
        (("run", "three-body", "--policy", "onboard", "--seed", "-1"), "--seed is -1; 0 to 2^63 - 1"),
        (("compare", "three-body", "--policies", "mesh,mesh"), "--policies mesh,mesh: mesh is there twice"),
        (("compare", "three-body", "--policies", ""), "--policies : no scheduler ''"),
        (("links", "three-body", "--at", "noon"), "--at 'noon' is no UTC instant; write it as"),
        (("links", "three-body", "--at", "2025-10-03T15:59:59Z"), "--at 2025-10-03T15:59:59Z is outside the scenario"),
        (("links", "three-body", "--at", "2025-10-04T16:00:01Z"), "2025-10-04T16:00:00.000Z"),
        (("passes",), "passes needs a SCENARIO, or --tle"),
        (("passes", "three-body", "--tle", "x"), "not both"),
        (("passes", "three-body", "--site", "1,2,3"), "--site goes with --tle"),
        (("passes", "three-body", "--min-elevation", "nan"), "--min-elevation nan: must be from 0 to below 90"),
        (("passes", "three-body", "--start", "x"), "--start 'x' is no UTC instant"),
        (("passes", "three-body", "--stop", "2025-10-03T16:00:00Z"), "--stop 2025-10-03T16:00:00Z: not one after"),
        (("passes", "--tle", "x", "--site", "1,2,3"), "--tle needs --start, --stop too"),
        (("inspect", "cloud-scream"), "no model 'cloud-scream'"),
        (("replay", "gone"), "gone is no trace"),
    ],
)
def test_options_that_cannot_be(arguments: tuple[str, ...], part: str, refused: Refused) -> None:
    assert part in refused(*arguments)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"--site": "1,2"}, "--site 1,2: give LAT,LON,ALT_M"),
        ({"--site": "91,2,3"}, "--site 91,2,3: latitude_deg is 91.0"),
        ({"--site": "nan,inf,3"}, "longitude_deg is inf"),
        ({"--stop": "2018-07-03T00:00:00Z"}, "--stop 2018-07-03T00:00:00Z: must come after --start"),
        ({"--stop": "2020-07-03T00:00:00Z"}, "at most 366 days"),
        ({"--min-elevation": "-3"}, "--min-elevation -3.0: must be from 0"),
        ({"--tle": "gone.tle"}, "gone.tle: cannot be read: No such file"),
        ({"--tle": "bad.tle"}, "bad.tle, line 1: checksum"),
    ],
)
def test_passes_of_elements_that_cannot_be(
    changed: dict[str, str], part: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "iss.tle").write_text("\n".join(ISS))
    (tmp_path / "bad.tle").write_text("\n".join(ISS).replace("9993", "9994"))
    options = {"--tle": "iss.tle", "--site": "40,116,0", "--start": "2018-07-04T00:00:00Z"}
    options |= {"--stop": "2018-07-05T00:00:00Z"} | changed
    assert part in refused("passes", *(f"{name}={value}" for name, value in options.items()))


def test_arguments_that_argparse_refuses_end_the_same_way(orbitmesh: Callable[..., tuple[int, str, str]]) -> None:
    for arguments in (
        ["run", "three-body"],
        ["run"],
        ["fly"],
        ["run", "three-body", "--policy", "x", "--seed", "1.5"],
        [],
    ):
        code, out, err = orbitmesh(*arguments)
        assert (code, out) == (2, "")
        assert "orbitmesh" in err


def test_an_argument_that_is_no_text(refused: Refused) -> None:
    assert r"argument '\udcff' is no UTF-8 text" in refused("inspect", "\udcff")
