"""The shipped processors against MLPerf's rows: what was fitted fits, what was predicted is as good as it is said."""

import pytest

from nodes.validation import Row, validation

# facts: MLPerf Inference closed-division logs, offline, samples or tokens a second of one accelerator
MEASURED = {
    ("orin", "ResNet-50"): 6438, ("orin-nx", "ResNet-50"): 2518, ("l4", "ResNet-50"): 13_158,
    ("a100", "ResNet-50"): 42_379, ("h100", "ResNet-50"): 91_826, ("orin", "BERT-Large"): 544,
    ("a100", "BERT-Large"): 3590, ("h100", "BERT-Large"): 9369, ("orin", "RetinaNet"): 92.4,
    ("h100", "RetinaNet"): 1479, ("orin", "GPT-J-6B"): 64.5, ("h200", "GPT-J-6B"): 2580,
}  # fmt: skip
ONE_PER_MILLE = 1e-3
A_QUARTER = 0.25  # what a roofline with three classes of work is good for


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return validation()


def test_every_published_row_is_compared(rows: list[Row]) -> None:
    assert {(row.processor, row.model): row.measured_per_s for row in rows} == MEASURED
    assert all(row.error == pytest.approx(row.predicted_per_s / row.measured_per_s - 1.0) for row in rows)


def test_what_is_fitted_fits(rows: list[Row]) -> None:
    fitted = [row for row in rows if row.kind == "fitted"]
    assert {row.model for row in fitted} == {"ResNet-50", "BERT-Large", "RetinaNet"}
    assert all(abs(row.error) < ONE_PER_MILLE for row in fitted)
    assert all(row.processor == "orin" for row in fitted if row.model != "ResNet-50")


def test_what_is_predicted_is_within_a_quarter(rows: list[Row]) -> None:
    predicted = [row for row in rows if row.kind == "predicted"]
    assert len(predicted) == 5
    assert all(abs(row.error) < A_QUARTER for row in predicted)


def test_a_factor_for_each_class_of_work_is_better_than_one_efficiency_for_convolutions_and_products(
    rows: list[Row],
) -> None:
    pairs = [(abs(row.error), abs(row.plain_error or 0.0)) for row in rows if row.model in ("BERT-Large", "RetinaNet")]
    assert len(pairs) == 5
    assert all(with_factor < plain for with_factor, plain in pairs)
