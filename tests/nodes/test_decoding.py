"""A language model on a processor: prompts bound by arithmetic, steps by memory; what does not fit is said."""

import msgspec
import pytest

from nodes.decoding import Request, decode
from nodes.errors import NodeError
from nodes.processor import preset
from workloads.decoder import decoders

LLAMA = decoders()["llama-3.1-8b-like"]
ORIN = msgspec.structs.replace(preset("orin"), launch_s=0.0)


def test_one_sequence_is_bound_by_memory() -> None:
    """Orin: 204.8e9 bytes a second; a step reads 3.987e9 of weights and 1,088 tokens of cache of 131,072 bytes."""
    found = decode(ORIN, LLAMA, Request(prompt=1024, output=128))
    assert found.bound == "memory"
    assert found.step_s == pytest.approx((LLAMA.bytes_per_step + 1088 * 131_072) / 204.8e9)
    assert found.decode_tokens_per_s == pytest.approx(1 / found.step_s)


def test_a_prompt_is_bound_by_arithmetic() -> None:
    """2 x 6.98e9 x 2,048 operations and causal attention, at 85e12 x 0.1915 x 1.134 of fp16."""
    found = decode(ORIN, LLAMA, Request(prompt=2048, output=1))
    attention = 4 * 32 * 4096 * 2048**2 / 2
    choice = 2 * 4096 * 128_256
    reached = 85e12 * 0.1915 * 1.134
    assert found.first_token_s == pytest.approx((2 * LLAMA.layer_parameters * 2048 + attention + choice) / reached)


def test_a_batch_shares_the_weights_until_arithmetic_binds() -> None:
    alone, many = (decode(preset("orin-nx"), LLAMA, Request(batch=batch)) for batch in (1, 64))
    assert many.decode_tokens_per_s > 10 * alone.decode_tokens_per_s
    assert (alone.bound, many.bound) == ("memory", "compute")


def test_the_cache_limits_the_batch() -> None:
    """16e9 bytes less 4.27e9 of weights, over 1,152 tokens x 131,072 bytes: 77 sequences."""
    found = decode(preset("orin-nx"), LLAMA, Request(prompt=1024, output=128, batch=1000))
    assert found.batch == int((16e9 - LLAMA.weight_bytes) / (1152 * 131_072)) == 77
    assert found.memory_bytes <= 16e9


def test_a_model_that_does_not_fit_is_said_not_to() -> None:
    large = msgspec.structs.replace(LLAMA, bits_per_weight=32.0)
    assert not decode(preset("orin-nx"), large, Request()).fits
    assert decode(preset("orin"), large, Request()).fits


@pytest.mark.parametrize(
    ("asked", "words"),
    [(Request(prompt=0), "prompt is 0"), (Request(output=float("nan")), "output is nan"),
     (Request(batch=0, beams=0), "batch is 0; 1 to 1e\\+09; beams is 0"), (Request(precision="int2"), "no rate for")],
)  # fmt: skip
def test_a_request_that_cannot_be_is_refused(asked: Request, words: str) -> None:
    with pytest.raises(NodeError, match=words):
        decode(ORIN, LLAMA, asked)
