"""A decoder language model on a processor: time to the first token, tokens a second, and what fits into memory.

A prompt is bound by arithmetic, a token by memory: each step reads the weights once for the whole batch, and every
sequence reads its own keys and values. Of both, arithmetic and reading, the longer counts: a roofline, step by step.
Matrix products reach the processor's share for them, reading its whole bandwidth: no lower share is known.
"""

from typing import Literal

import msgspec

from nodes.errors import NodeError
from nodes.processor import Processor
from workloads.decoder import Decoder

Bound = Literal["compute", "memory"]
MOST_COUNT = 1e9  # tokens or sequences: far beyond every model's context [guess]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked: `prompt` and `output` tokens for each of `batch` sequences, with `beams` kept of each.

    `precision` is that of the products: weights stored in fewer bits are widened to it.
    """

    prompt: float = 1024.0
    output: float = 128.0
    batch: int = 1
    beams: int = 1
    precision: str = "fp16"

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        counts = ("prompt", "output", "batch", "beams")
        return [(name, f"is {getattr(self, name)}; 1 to {MOST_COUNT:.0e}") for name in counts
                if not 1 <= getattr(self, name) <= MOST_COUNT]  # fmt: skip


class Decoding(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction. `batch` is what fits of the batch asked for; `fits` is false where not even one sequence does.

    `most_batch` is how many sequences fit into memory, whatever batch was asked for.

    `first_token_s` is that of one prompt alone. `tokens_per_s` is of the whole batch, prompts included;
    `decode_tokens_per_s` once they are done. `memory_bytes` is weights and cache of that batch at its longest.
    """

    fits: bool
    batch: int
    most_batch: int
    memory_bytes: float
    first_token_s: float
    step_s: float
    decode_tokens_per_s: float
    tokens_per_s: float
    bound: Bound


def decode(processor: Processor, model: Decoder, asked: Request) -> Decoding:
    """Predict. Raises NodeError for a request, model or precision that cannot be."""
    problems = [*model.problems(), *asked.problems()]
    if problems:
        raise NodeError("; ".join(f"{field} {text}" for field, text in problems))
    reached_ops_per_s = processor.peak(asked.precision) * processor.share("matmul")
    longest = asked.prompt + asked.output
    sequence_bytes = asked.beams * longest * model.cache_bytes_per_token
    room = (processor.memory_bytes - model.weight_bytes) / sequence_bytes
    batch = max(1, min(asked.batch, int(room))) if room > 0.0 else 1

    weights_s = model.bytes_per_step / processor.memory_bytes_per_s
    first_s = max(model.prefill_ops(asked.prompt) / reached_ops_per_s, weights_s) + processor.launch_s
    prompts_s = max(batch * model.prefill_ops(asked.prompt) / reached_ops_per_s, weights_s)
    context = asked.prompt + asked.output / 2.0  # on average over the output
    lanes = batch * asked.beams
    compute_s = lanes * model.decode_ops(context) / reached_ops_per_s
    read_s = (model.bytes_per_step + lanes * context * model.cache_bytes_per_token) / processor.memory_bytes_per_s
    step_s = max(compute_s, read_s)
    return Decoding(
        fits=room >= 1.0,
        batch=batch,
        most_batch=max(0, int(room)),
        memory_bytes=model.weight_bytes + batch * sequence_bytes,
        first_token_s=first_s,
        step_s=step_s,
        decode_tokens_per_s=batch / step_s,
        tokens_per_s=batch * asked.output / (prompts_s + asked.output * step_s),
        bound="memory" if read_s > compute_s else "compute",
    )
