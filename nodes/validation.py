"""The shipped processors against what MLPerf Inference measured on the same hardware: predicted, measured, error.

What is fitted is said: `efficiency` of each device from its own ResNet-50 row, the factors of matrix products and of
grouped convolutions from Orin's BERT-Large and RetinaNet. All other rows are predictions, those of GPT-J included.
Measured: MLPerf Inference, closed division, offline, one accelerator; rates of eight are divided by eight.
"""

from typing import Literal, NamedTuple

import msgspec

from nodes.decoding import Request, decode
from nodes.processor import preset
from workloads.decoder import Decoder, decoders
from workloads.mlperf import bert_large, resnet_50, retinanet
from workloads.tasks import ModelProfile

SAMPLES = 1 << 16  # enough that one launch does not matter
BATCH = 256  # of the submissions: 256 on Orin and L4, 2,048 on A100 and H100, which changes nothing here


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison, in samples or tokens a second. `error` is predicted / measured - 1.

    `plain_error` is the same with one efficiency for all work: None where no factor plays a part.
    """

    processor: str
    model: str
    unit: Literal["samples/s", "tokens/s"]
    predicted_per_s: float
    measured_per_s: float
    error: float
    plain_error: float | None
    kind: Literal["fitted", "predicted"]
    source: str


class Measured(NamedTuple):
    """A row of MLPerf: processor, model, rate, round; `fitted` where a constant of ours comes from it."""

    processor: str
    model: str
    per_s: float
    fitted: bool
    source: str


class Served(NamedTuple):
    """How a submission ran GPT-J: bits of weights and cache, precision of products, sequences at once."""

    weight_bits: float
    cache_bits: float
    precision: str
    batch: int


OFFLINE = (
    Measured("orin", "ResNet-50", 6438.0, True, "v3.0"),
    Measured("orin-nx", "ResNet-50", 2518.0, True, "closed-division log"),
    Measured("l4", "ResNet-50", 13_158.0, True, "closed-division log"),
    Measured("a100", "ResNet-50", 42_379.0, True, "closed-division log"),
    Measured("h100", "ResNet-50", 91_826.0, True, "closed-division log"),
    Measured("orin", "BERT-Large", 544.0, True, "v3.0; the GPU alone, ResNet-50 and RetinaNet use the DLAs too"),
    Measured("a100", "BERT-Large", 3590.0, False, "closed-division log"),
    Measured("h100", "BERT-Large", 9369.0, False, "closed-division log; fp8"),
    Measured("orin", "RetinaNet", 92.4, True, "v3.0"),
    Measured("h100", "RetinaNet", 1479.0, False, "closed-division log"),
)
TOKENS = (
    Measured("orin", "GPT-J-6B", 64.5, False, "v4.1, int4 weights [guess], batch 256, of which 38 fit here"),
    Measured("h200", "GPT-J-6B", 2580.0, False, "v4.1, fp8, batch 396, of which 173 fit here"),
)
# inference_results_v4.1, closed/NVIDIA/configs/gptj/Offline: batches, fp8 on H200. That Orin's weights were int4 with
# a scale for every 64 is a [guess]: fp16 weights would leave no room for what it reached.
SERVED = {"orin": Served(4.25, 16.0, "fp16", 256), "h200": Served(8.0, 8.0, "int8", 396)}
SUMMARY_BEAMS = 4  # mlcommons/inference, language/gpt-j
SUMMARY_OUTPUT = 69  # tokens a sample: LoadGen logs "Tokens per second (inferred)" at 69.0 times samples per second
ARTICLE_TOKENS = 781  # mean of CNN/DailyMail, Nallapati et al. 2016: NLP-progress, summarization; words and signs


def profiles() -> dict[str, ModelProfile]:
    """The models of the offline rows, as counted in closed form."""
    return {"ResNet-50": resnet_50(), "BERT-Large": bert_large(), "RetinaNet": retinanet()}


def validation() -> list[Row]:
    """Every row, computed now."""
    counted = profiles()
    return [_offline(row, counted[row.model]) for row in OFFLINE] + [_tokens(row) for row in TOKENS]


def served(processor: str) -> tuple[Decoder, Request]:
    """GPT-J as MLPerf's submission ran it on that processor: the model as stored there, and what was asked."""
    how = SERVED[processor]
    model = msgspec.structs.replace(decoders()["gpt-j-6b"], bits_per_weight=how.weight_bits, cache_bits=how.cache_bits)
    asked = Request(
        prompt=ARTICLE_TOKENS, output=SUMMARY_OUTPUT, batch=how.batch, beams=SUMMARY_BEAMS, precision=how.precision
    )
    return model, asked


def _offline(row: Measured, profile: ModelProfile) -> Row:
    processor = preset(row.processor)
    plain = msgspec.structs.replace(processor, work_factors={})
    predicted = SAMPLES / processor.job(profile, SAMPLES, BATCH).duration_s
    same = SAMPLES / plain.job(profile, SAMPLES, BATCH).duration_s
    classes = profile.matmul_ops + profile.grouped_ops > 0
    return _row(row, "samples/s", predicted, same if classes else None)


def _tokens(row: Measured) -> Row:
    processor = preset(row.processor)
    plain = msgspec.structs.replace(processor, work_factors={})
    model, asked = served(row.processor)
    same = decode(plain, model, asked).tokens_per_s
    return _row(row, "tokens/s", decode(processor, model, asked).tokens_per_s, same)


def _row(
    row: Measured, unit: Literal["samples/s", "tokens/s"], predicted_per_s: float, plain_per_s: float | None
) -> Row:
    return Row(
        processor=row.processor,
        model=row.model,
        unit=unit,
        predicted_per_s=predicted_per_s,
        measured_per_s=row.per_s,
        error=predicted_per_s / row.per_s - 1.0,
        plain_error=None if plain_per_s is None else plain_per_s / row.per_s - 1.0,
        kind="fitted" if row.fitted else "predicted",
        source=row.source,
    )
