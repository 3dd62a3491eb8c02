"""Decoder language models: parameters, bytes and operations of the shipped ones are the published ones."""

import msgspec
import pytest

from workloads.decoder import decoders

ONE_PER_MILLE = 1e-3

# Llama Team, arXiv:2407.21783: 8 B, model card 8.03 B parameters. EleutherAI, gpt-j-6b: n_parameters 6053381344.
PUBLISHED = {"llama-3.1-8b-like": 8.03e9, "gpt-j-6b": 6_053_381_344}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name: str) -> None:
    assert decoders()[name].parameters == pytest.approx(PUBLISHED[name], rel=ONE_PER_MILLE)
    assert decoders()[name].problems() == []


def test_a_token_of_the_8b_model_reads_four_gigabytes() -> None:
    """facts: decoding 8 B at 4 bits is bandwidth-bound, about 4.0 GB a token."""
    assert decoders()["llama-3.1-8b-like"].bytes_per_step == pytest.approx(4.0e9, rel=0.01)


def test_the_cache_holds_a_key_and_a_value_of_every_layer() -> None:
    """Llama 3.1 8B: 2 x 32 layers x 8 heads x 128 numbers x 2 bytes = 131,072; GPT-J: 2 x 28 x 4,096 x 2 = 458,752."""
    assert decoders()["llama-3.1-8b-like"].cache_bytes_per_token == 131_072
    assert decoders()["gpt-j-6b"].cache_bytes_per_token == 458_752


def test_a_prompt_costs_what_its_tokens_cost_one_by_one() -> None:
    """A prompt of n tokens is n steps without their choices but the last; the sum over contexts is n (n - 1) / 2."""
    model, tokens = decoders()["gpt-j-6b"], 500
    choices = 2.0 * model.hidden * model.vocabulary
    one_by_one = sum(model.decode_ops(context) - choices for context in range(tokens)) + choices
    assert model.prefill_ops(tokens) == pytest.approx(one_by_one, rel=ONE_PER_MILLE)


def test_every_problem_is_told() -> None:
    bad = msgspec.structs.replace(decoders()["gpt-j-6b"], layers=0, bits_per_weight=float("nan"))
    assert [field for field, _ in bad.problems()] == ["layers", "bits_per_weight"]
    odd = msgspec.structs.replace(decoders()["gpt-j-6b"], heads=17)
    assert [field for field, _ in odd.problems()] == ["heads"]
