"""XML from outside, read as a stream: what a reader is handed, and what is refused before it could do harm."""

import pytest

from workloads.errors import WorkloadError
from workloads.importing.guarded_xml import Limits, read_xml

LIMITS = Limits("a note", levels=3, value_chars=10, elements=5)


class Heard:
    """Keeps what it is handed."""

    family: type[ValueError] = WorkloadError

    def __init__(self) -> None:
        self.begun: list[tuple[str, dict[str, str], int]] = []
        self.ended: list[tuple[str, str, int]] = []

    def where(self, line: int) -> str:
        return f"note.xml:{line}"

    def begin(self, path: list[str], attributes: dict[str, str], line: int) -> None:
        if "stop" in attributes:
            raise WorkloadError(f"{self.where(line)}: stop")
        self.begun.append(("/".join(path), attributes, line))

    def end(self, path: list[str], value: str, line: int) -> None:
        self.ended.append(("/".join(path), value, line))


def heard(document: bytes | str, limits: Limits = LIMITS) -> Heard:
    reader = Heard()
    read_xml(document, reader, limits)
    return reader


def test_elements_come_in_order_with_path_line_and_own_text() -> None:
    found = heard('<x:note xmlns:x="urn:x">\n <to who="all"> a &amp; b </to>\n late</x:note>')
    assert [(path, line) for path, _, line in found.begun] == [("note", 1), ("note/to", 2)]
    assert found.begun[1][1] == {"who": "all"}
    assert found.ended == [("note/to", "a & b", 2), ("note", "late", 3)]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("<a><b><c><d/></c></b></a>", "note.xml:1: more than 3 levels of XML; a note has fewer"),
        ("<a>\n<b/><b/><b/><b/><b/></a>", "note.xml:2: more than 5 elements; a note has fewer"),
        ("<a>01234567890</a>", "note.xml:1: a value of more than 10 characters; a note has none"),
        ("<!DOCTYPE a><a/>", "note.xml:1: declares a document type or entities"),
        ('\n<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "note.xml:2: declares a document type or entities"),
        ("<a>\n<b>", "note.xml:2: is no whole XML"),
        ("<a>&b;</a>", "note.xml:1: is no whole XML"),
        ("<a>\ud800</a>", "note.xml:1: is no text that XML can hold"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "note.xml:1: "),
        ('<a>\n<b stop=""/></a>', "note.xml:2: stop"),
    ],
)
def test_what_is_beyond_the_limits_or_no_xml_is_an_error_of_the_readers_family(
    document: bytes | str, says: str
) -> None:  # fmt: skip
    with pytest.raises(WorkloadError) as raised:
        heard(document)
    assert str(raised.value).startswith(says)


def test_at_the_limits_nothing_is_refused() -> None:
    assert len(heard("<a><b><c>0123456789</c></b><b/><b/></a>").ended) == 5


def test_only_the_text_of_named_elements_counts() -> None:
    limits = Limits("a note", levels=3, value_chars=10, values=frozenset({"to"}))
    found = heard(f"<a><other>{'x' * 1000}</other><to>you</to></a>", limits)
    assert found.ended == [("a/other", "", 1), ("a/to", "you", 1), ("a", "", 1)]


def test_a_text_is_read_whatever_it_says_of_its_encoding() -> None:
    assert heard('<?xml version="1.0" encoding="iso-8859-1"?><a>Zürich</a>').ended == [("a", "Zürich", 1)]
    assert heard('<?xml version="1.0" encoding="iso-8859-1"?><a>Zürich</a>'.encode("latin-1")).ended[0][1] == "Zürich"
