"""Acquisition plans: the real one's counts, and each trap of the format in a plan of three datatakes."""

from pathlib import Path

import pytest

from workloads.errors import WorkloadError
from workloads.importing import kml
from workloads.importing.records import Imported, MissionTask
from workloads.importing.sentinel_plan import plan_figures, plan_of, read_plan

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PLAN = SHARED / "sentinel2a_acquisition_plan_2024-11-28.kml"
HEAD = '<?xml version="1.0" encoding="iso-8859-1"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
FOLDERS = "<Folder><name>S2A</name><Folder><name>NOBS</name>\n"
TAIL = "</Folder></Folder></Document></kml>"


def datatake(name: str, start: str, stop: str, duration: str, mode: str = "NOBS", **more: str) -> str:
    data = {
        "ID": name, "Timeliness": "NOMINAL", "Station": "SGS_", "Mode": mode, "ObservationTimeStart": start,
        "ObservationTimeStop": stop, "ObservationDuration": duration, "OrbitAbsolute": "49284", "Scenes": "20",
    } | more  # fmt: skip
    fields = "".join(f'<Data name="{key}"><value>{value}</value></Data>' for key, value in data.items())
    span = f"<TimeSpan><begin>{start}</begin><end>{stop}</end></TimeSpan>"
    return f"<Placemark><name>{name}</name>{span}<ExtendedData>{fields}</ExtendedData></Placemark>\n"


FIRST = datatake("1-1", "2024-11-28T12:50:30.621", "2024-11-28T12:51:42.781", "72160")
LATER = datatake("1-2", "2024-11-28T14:00:00.000", "2024-11-28T14:00:36.080", "36080", "VIC", Scenes="10", Station="")
EARLIER = datatake(
    "1-3", "2024-11-28T12:40:00.000", "2024-11-28T12:40:03.608", "3608", Station="INS_/EDRS-A", Scenes="1"
)


def imported(*marks: str, skip_bad: bool = False) -> Imported:
    return plan_of((HEAD + FOLDERS + "".join(marks) + TAIL).encode("latin-1"), "plan.kml", skip_bad=skip_bad)


def tasks(*marks: str) -> list[MissionTask]:
    return [each for each in imported(*marks).records if isinstance(each, MissionTask)]


@pytest.mark.shared
@pytest.mark.skipif(not PLAN.exists(), reason="../shared/data is not there")
def test_the_real_plan_has_the_counts_that_are_known() -> None:
    plan = read_plan(PLAN)
    figures = plan_figures([each for each in plan.records if isinstance(each, MissionTask)])
    assert (plan.read, len(plan.records), plan.skipped) == (758, 758, ())
    assert (figures.datatakes, figures.nominal, figures.scenes) == (758, 721, 55_909)  # counted in the file by grep
    assert round(figures.duty_cycle, 3) == 0.145
    assert figures.imaging_s == pytest.approx(55_909 * 3.608, abs=1e-6)  # each scene is 3.608 s
    assert figures.span_s / 86_400.0 == pytest.approx(16.1, abs=0.05)
    assert plan.epoch == "2024-11-28T12:50:30.621Z"
    stations = [each.station_names for each in plan.records if isinstance(each, MissionTask)]
    assert stations.count(("SGS_",)) == 345
    assert stations.count(("INS_", "SGS_", "EDRS-A")) == 46
    assert stations.count(None) == 1


def test_durations_are_milliseconds_and_tasks_come_in_order_of_time() -> None:
    made = tasks(FIRST, LATER, EARLIER)
    assert [each.id for each in made] == ["1-3", "1-1", "1-2"]
    assert [each.duration_s for each in made] == [3.608, 72.16, 36.08]
    assert made[1].at_s == pytest.approx(10 * 60 + 30.621, abs=1e-9)
    assert imported(FIRST, LATER, EARLIER).epoch == "2024-11-28T12:40:00Z"


def test_figures_are_of_nominal_observations_over_the_whole_span() -> None:
    figures = plan_figures(tasks(FIRST, LATER, EARLIER))
    assert (figures.datatakes, figures.nominal, figures.scenes, figures.all_modes_scenes) == (3, 2, 21, 31)
    assert figures.imaging_s == pytest.approx(75.768)
    assert figures.duty_cycle == pytest.approx(75.768 / 4836.08)  # 12:40:00.000 to 14:00:36.080


def test_planned_stations_are_names_and_none_is_missing() -> None:
    assert [each.station_names for each in tasks(FIRST, LATER, EARLIER)] == [("INS_", "EDRS-A"), ("SGS_",), None]


@pytest.mark.parametrize("zone", ["Z", "+00:00", " UTC"])
def test_zones_are_written_differently_in_other_satellites_files(zone: str) -> None:
    zoned = datatake("1-1", f"2024-11-28T12:50:30.621{zone}", f"2024-11-28T12:51:42.781{zone}", "72160")
    assert imported(zoned).records == imported(FIRST).records
    assert imported(zoned).epoch == imported(FIRST).epoch
    assert [sum("count as UTC" in note for note in imported(each).notes) for each in (FIRST, zoned)] == [1, 0]


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        (
            datatake("b", "2024-11-28T12:00:00.000", "2024-11-28T12:01:12.160", "72.16"),
            r"is 72\.16 ms, but .* 72160 ms",
        ),
        (datatake("b", "2024-11-28T12:01:00.000", "2024-11-28T12:00:00.000", "60000"), "stops 60 s before it starts"),
        (datatake("b", "2024-11-28T12:00:00.000Z", "2024-11-28T12:01:00.000Z", "60000"), "names its time zone"),
        (datatake("1-1", "2024-11-28T12:00:00.000", "2024-11-28T12:01:00.000", "60000"), "was there before, on line 3"),
        (
            datatake("b", "2024-11-28T12:00:00.000", "2024-11-28T12:01:00.000", "60000", Scenes="many"),
            "no whole number",
        ),
        (datatake("b", "2024-11-28T12:00:00.000", "2024-11-28T12:01:00.000", "sixty"), "no number of milliseconds"),
        (datatake("b", "2024-11-28T12:00:00.000", "2024-11-28T12:01:00.000", "nan"), "is nan ms"),
        (datatake("b", "tomorrow", "2024-11-28T12:01:00.000", "60000"), "no instant"),
        (datatake("", "2024-11-28T12:00:00.000", "2024-11-28T12:01:00.000", "60000"), "id is ''"),
    ],
)
def test_a_bad_datatake_stops_the_import_or_is_skipped_with_its_line(mark: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=rf"plan\.kml:4: .*{says}"):
        imported(FIRST, mark, LATER)
    left = imported(FIRST, mark, LATER, skip_bad=True)
    assert left.records == imported(FIRST, LATER).records
    assert (left.read, [row.line for row in left.skipped]) == (3, [4])


def test_the_middle_of_a_polygon_is_right_across_the_date_line() -> None:
    ring = "179,0,0 -179,0,0 -179,2,0 179,2,0 179,0,0"
    polygon = f"<Polygon><LinearRing><coordinates>{ring}</coordinates></LinearRing></Polygon>"
    task = tasks(FIRST.replace("</Placemark>", polygon + "</Placemark>"))[0]
    assert task.latitude_deg == pytest.approx(1.0, abs=0.01)
    assert abs(task.longitude_deg or 0.0) == pytest.approx(180.0, abs=0.01)


BOMB = '<!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<kml>&b;</kml>'
FETCH = '<!DOCTYPE kml SYSTEM "file:///etc/passwd">\n<kml/>'


@pytest.mark.parametrize("document", [BOMB, FETCH])
def test_document_types_and_entities_are_refused(document: str) -> None:
    with pytest.raises(WorkloadError, match="declares a document type or entities"):
        plan_of(document.encode(), "bomb.kml")


def test_depth_text_and_number_of_elements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkloadError, match="more than 32 levels"):
        plan_of(b"<kml>" + b"<Folder>" * 100, "deep.kml")
    monkeypatch.setattr(kml, "MOST_ELEMENTS", 20)
    with pytest.raises(WorkloadError, match="more than 20 elements"):
        imported(FIRST)
    monkeypatch.setattr(kml, "MOST_ELEMENTS", 1000)
    monkeypatch.setattr(kml, "MOST_TEXT", 10)
    with pytest.raises(WorkloadError, match="more than 10 characters"):
        imported(FIRST)


def test_a_plan_cut_off_anywhere_is_refused_or_whole() -> None:
    whole = (HEAD + FOLDERS + FIRST + LATER + TAIL).encode()
    for cut in range(len(whole)):
        with pytest.raises(WorkloadError, match=r"plan\.kml"):
            plan_of(whole[:cut], "plan.kml")


def test_other_xml_and_empty_plans_are_refused() -> None:
    with pytest.raises(WorkloadError, match="no KML"):
        plan_of(b"<gpx/>", "track.gpx")
    with pytest.raises(WorkloadError, match="holds no datatake"):
        imported()
    with pytest.raises(WorkloadError, match=r"no whole XML|encoding"):
        plan_of(b'<?xml version="1.0" encoding="klingon"?><kml/>', "plan.kml")


def test_letters_of_its_encoding_are_read() -> None:
    assert tasks(FIRST.replace("1-1", "Zürich"))[0].id == "Zürich"


@pytest.mark.parametrize("encoding", ["utf-7", "no-such", "idna"])
def test_an_encoding_that_nobody_can_read_is_named(encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?><kml/>'.encode()
    with pytest.raises(WorkloadError, match=r"plan\.kml"):
        plan_of(document, "plan.kml")
