"""What a request to a language model asks of a processor: a prompt once, and an inference for each token of its answer.

As in `nodes/decoding.py`, in the form that the core has for every job. One sequence at a time, no batch.
"""

from math import ceil

from workloads.decoder import Decoder
from workloads.tasks import ModelProfile

PROMPT_STEP = 64  # tokens: a prompt is worked on in whole multiples, as kernels' tiles are [guess]


def padded(prompt_tokens: int) -> int:
    """A prompt's tokens, rounded up to whole steps."""
    return max(1, ceil(prompt_tokens / PROMPT_STEP)) * PROMPT_STEP


def token_profile(decoder: Decoder, prompt: int, mean_output: float) -> ModelProfile:
    """What a token of the answer costs after `prompt` tokens, at the middle of an answer, and once the prompt.

    A step reads the weights and the sequence's keys and values. The embedding is held, and only rows of it are read.
    """
    context = prompt + mean_output / 2.0
    step_ops = round(decoder.decode_ops(context))
    return ModelProfile(
        name=f"{decoder.name}, prompt {prompt}",
        sha256="",
        macs=step_ops // 2,
        ops=step_ops,
        parameters=decoder.parameters,
        weight_bytes=round(decoder.bytes_per_step + context * decoder.cache_bytes_per_token),
        activation_bytes=0,
        peak_activation_bytes=round(decoder.weight_bytes - decoder.bytes_per_step),
        input_bytes=0,
        precision="int4",  # as narrow as any: its bytes stay what they are, whatever products run in
        matmul_ops=step_ops,
        prompt_ops=round(decoder.prefill_ops(prompt)),
    )
