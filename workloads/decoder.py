"""Decoder language models as numbers: what a prompt, a token and a context cost, in closed form.

No weights and no text: only the published sizes of an architecture. One multiply-accumulate is two operations.
Attention is counted over what a causal mask leaves. Sizes of an instance are checked with `problems`.
"""

from math import inf

import msgspec

MOST_SIZE = 1 << 24  # of any one dimension: far beyond every published model [guess]


class Decoder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decoder-only transformer. `gated` feed-forward layers have three matrices, others two.

    `bits_per_weight` counts the scales of quantised weights in; `cache_bits` is one number of the key-value cache.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    gated: bool
    bits_per_weight: float
    cache_bits: float = 16.0
    source: str = ""

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        found = []
        for field in ("layers", "hidden", "heads", "kv_heads", "ffn", "vocabulary"):
            if not 1 <= getattr(self, field) <= MOST_SIZE:
                found.append((field, f"is {getattr(self, field)}; 1 to {MOST_SIZE}"))
        for field in ("bits_per_weight", "cache_bits"):
            if not 0.0 < getattr(self, field) < inf or getattr(self, field) > 64.0:
                found.append((field, f"is {getattr(self, field)}; above 0 and at most 64"))
        if not found and self.hidden % self.heads:
            found.append(("heads", f"is {self.heads}, which does not divide hidden = {self.hidden}"))
        if not found and self.heads % self.kv_heads:
            found.append(("kv_heads", f"is {self.kv_heads}, which does not divide heads = {self.heads}"))
        return found

    @property
    def kv_width(self) -> int:
        """Numbers of one key, or one value, of one layer."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def layer_parameters(self) -> int:
        """Of the matrices that every token passes, the vocabulary's apart."""
        attention = 2 * self.hidden**2 + 2 * self.hidden * self.kv_width
        return self.layers * (attention + (3 if self.gated else 2) * self.hidden * self.ffn)

    @property
    def parameters(self) -> int:
        """All matrices, with an embedding and an output of their own; biases and norms (0.1 %) are left out."""
        return self.layer_parameters + 2 * self.hidden * self.vocabulary

    @property
    def weight_bytes(self) -> float:
        """Bytes of all weights, as stored."""
        return self.parameters * self.bits_per_weight / 8.0

    @property
    def bytes_per_step(self) -> float:
        """Bytes of weights that one step reads, whatever the batch: all but the embedding, of which it reads rows."""
        return (self.parameters - self.hidden * self.vocabulary) * self.bits_per_weight / 8.0

    @property
    def cache_bytes_per_token(self) -> float:
        """Bytes of keys and values that one token of context holds, over all layers."""
        return 2.0 * self.layers * self.kv_width * self.cache_bits / 8.0

    def prefill_ops(self, tokens: float) -> float:
        """Operations of a prompt: 2 a parameter and token, causal attention, and the first token's choice."""
        attention = 4.0 * self.layers * self.hidden * tokens * tokens / 2.0
        return 2.0 * self.layer_parameters * tokens + attention + 2.0 * self.hidden * self.vocabulary

    def decode_ops(self, context: float) -> float:
        """Operations of one further token after `context` tokens."""
        matrices = 2.0 * (self.layer_parameters + self.hidden * self.vocabulary)
        return matrices + 4.0 * self.layers * self.hidden * context


def decoders() -> dict[str, Decoder]:
    """The ones that ship, by name."""
    shipped = (
        Decoder(
            name="llama-3.1-8b-like",
            layers=32,
            hidden=4096,
            heads=32,
            kv_heads=8,
            ffn=14_336,
            vocabulary=128_256,
            gated=True,
            bits_per_weight=4.25,  # int4 and a 16-bit scale for every 64 [guess]: 4.0 GB a token
            source="Llama Team, The Llama 3 Herd of Models, arXiv:2407.21783, table 3; 4 bits are a choice",
        ),
        Decoder(
            name="gpt-j-6b",
            layers=28,
            hidden=4096,
            heads=16,
            kv_heads=16,
            ffn=16_384,
            vocabulary=50_400,
            gated=False,
            bits_per_weight=16.0,
            source="EleutherAI, gpt-j-6b model card",
        ),
    )
    return {each.name: each for each in shipped}
