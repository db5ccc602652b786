"""What holds for every mechanism that returns weights, whatever the shapes and the mask."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossattn.mechanisms import (
    Additive,
    General,
    Kernel,
    Score,
    attend,
    dot,
    grouped_query,
    scaled_dot,
    strided,
    top_k,
    window,
)

lengths = st.integers(1, 7)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(["dot", "scaled_dot", "general", "additive", "elu", "relu"])


def make_score(name: str, generator: torch.Generator) -> Score:
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    scores: dict[str, Score] = {
        "dot": dot,
        "scaled_dot": scaled_dot,
        "general": General(draw(4, 4)),
        "additive": Additive(draw(3, 4), draw(3, 4), draw(3)),
        "elu": Kernel(),
        "relu": Kernel(torch.relu),
    }
    return scores[name]


def draw_inputs(seed: int, queries: int, keys: int) -> tuple[torch.Generator, list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, 2, queries, 4), (2, 2, keys, 4), (2, 2, keys, 3)]
    tensors = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    return generator, tensors, torch.rand(2, 1, queries, keys, generator=generator) > 0.4


@settings(deadline=None)
@given(seeds, lengths, lengths, names)
def test_weights_are_a_distribution_over_the_allowed_keys(
    seed: int, queries: int, keys: int, name: str
) -> None:
    generator, tensors, mask = draw_inputs(seed, queries, keys)
    score = make_score(name, generator)

    output, weights = attend(*tensors, score=score, mask=mask)

    reachable = mask & ~score(*tensors[:2]).isneginf()
    assert (weights >= 0).all()
    assert not weights[~reachable].any()
    torch.testing.assert_close(weights.sum(-1), reachable.any(-1).double(), rtol=0, atol=1e-12)
    assert not output[~reachable.any(-1)].any()
    assert output.isfinite().all()


@settings(deadline=None)
@given(seeds, lengths, lengths, names)
def test_permuting_the_keys_permutes_the_weights(
    seed: int, queries: int, keys: int, name: str
) -> None:
    generator, (query, key, value), mask = draw_inputs(seed, queries, keys)
    score = make_score(name, generator)
    order = torch.randperm(keys, generator=generator)

    output, weights = attend(query, key, value, score, mask)
    moved_output, moved_weights = attend(
        query, key[..., order, :], value[..., order, :], score, mask[..., order]
    )

    torch.testing.assert_close(moved_weights, weights[..., order], rtol=0, atol=1e-12)
    torch.testing.assert_close(moved_output, output, rtol=0, atol=1e-12)


@pytest.mark.slow
@settings(deadline=None)
@given(seeds, lengths, lengths, names, st.integers(1, 8), st.sampled_from([0, 1, 2]))
def test_a_pattern_equals_its_dense_mask_for_every_score(
    seed: int, queries: int, keys: int, name: str, size: int, kind: int
) -> None:
    generator, tensors, mask = draw_inputs(seed, queries, keys)
    score = make_score(name, generator)
    pattern = (
        window(queries, keys, size).causal(),
        strided(queries, keys, size),
        top_k(*tensors[:2], size, score, mask),
    )[kind]

    output, weights = attend(*tensors, score=score, mask=pattern)

    dense_output, dense_weights = attend(*tensors, score=score, mask=pattern.dense())
    torch.testing.assert_close(output, dense_output, rtol=0, atol=1e-10)
    torch.testing.assert_close(pattern.spread(weights), dense_weights, rtol=0, atol=1e-10)


@settings(deadline=None)
@given(seeds, lengths, lengths, names)
def test_sharing_a_key_head_equals_repeating_it(
    seed: int, queries: int, keys: int, name: str
) -> None:
    generator, (query, key, value), mask = draw_inputs(seed, queries, keys)
    score = make_score(name, generator)
    one_key, one_value = key[:, :1], value[:, :1]

    output, weights = grouped_query(query, one_key, one_value, score, mask)

    repeated = attend(query, one_key.expand_as(key), one_value.expand_as(value), score, mask)
    torch.testing.assert_close(output, repeated[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(weights, repeated[1], rtol=0, atol=1e-12)
