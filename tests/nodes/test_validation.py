"""The shipped processors against MLPerf's rows: what was fitted fits, what was predicted is as good as it is said."""

import pytest

from nodes.decoding import decode
from nodes.processor import preset
from nodes.validation import Row, served, validation

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


@pytest.mark.parametrize(("name", "bits", "cache_bits"), [("orin", 4.25, 16), ("h200", 8, 8)])
def test_a_row_of_tokens_says_how_much_of_the_batch_fits(
    name: str, bits: float, cache_bits: int, rows: list[Row]
) -> None:
    weight_bytes = (28 * (4 * 4096**2 + 2 * 4096 * 16_384) + 2 * 4096 * 50_400) * bits / 8  # gpt-j-6b's card
    sequence_bytes = 4 * (781 + 69) * 2 * 28 * 4096 * cache_bits / 8  # four beams, keys and values of 28 layers
    fit = int((preset(name).memory_bytes - weight_bytes) / sequence_bytes)
    assert decode(preset(name), *served(name)).batch == fit
    source = next(row.source for row in rows if row.processor == name and row.model == "GPT-J-6B")
    assert source.endswith(f"of which {fit} fit here")


def test_a_factor_for_each_class_of_work_is_better_than_one_efficiency_for_convolutions_and_products(
    rows: list[Row],
) -> None:
    pairs = [(abs(row.error), abs(row.plain_error or 0.0)) for row in rows if row.model in ("BERT-Large", "RetinaNet")]
    assert len(pairs) == 5
    assert all(with_factor < plain for with_factor, plain in pairs)
