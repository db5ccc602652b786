"""With compat=True the edits are google/prompt-to-prompt's; without it, its faults are gone."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattn import Attention, Control, LayerCall, Site, Step, read_prompt
from crossattn.controls import Refine, Replace, Reweight, Window, align
from crossattn.controls.support.p2p_reference import refinement_mapper, replacement_mapper
from crossattn.in_flight import InFlight
from crossattn.intercept import SdpaCall
from crossattn.rows import Rows

NUMBERS = json.loads((Path(__file__).parent / "reference" / "numbers.json").read_text())
"""Written by reference/make.py, which says how."""

PROMPTS = ("a red cat on grass", "a red balloon on grass", "a blue dog on grass")
WHOLE, BALLOON = Window(0.0, 0.8), {"balloon": Window(0.2, 0.6)}


@pytest.fixture
def read(sd_pipe: Any) -> Any:
    return lambda text: read_prompt(text, {"clip": sd_pipe.tokenizer})


def attending(probs: Tensor) -> Attention:
    """An attention whose probabilities are these: (rows, pixels, tokens), of one head."""
    rows, pixels, tokens = probs.shape
    query = torch.eye(pixels).expand(rows, 1, pixels, pixels)
    value = torch.randn(rows, 1, tokens, pixels, generator=torch.Generator().manual_seed(0))
    key = probs.log().transpose(1, 2)[:, None]
    return Attention(InFlight(SdpaCall(query, key, value, scale=1.0)))


@pytest.mark.parametrize("case", NUMBERS["cases"], ids=lambda case: case["target"])
def test_the_mappers_are_the_references_bit_for_bit(case: dict[str, Any], read: Any) -> None:
    source, target = read(case["source"]), read(case["target"])
    mapper, alphas = refinement_mapper(source, target, 77)
    assert mapper.tolist() == case["refine"]
    assert alphas.tolist() == case["alphas"]
    if "replace" in case:
        expected = torch.zeros(77, 77)
        for i, j, share in case["replace"]:
            expected[i, j] = share
        assert torch.equal(replacement_mapper(source, target, 77), expected)


@pytest.mark.parametrize(
    ("name", "controls"),
    [
        ("Replace", [Replace(WHOLE, words=BALLOON, compat=True)]),
        ("Refine", [Refine(WHOLE, words=BALLOON, compat=True)]),
        (
            "Replace+Reweight",
            [Replace(WHOLE, words=BALLOON, compat=True), Reweight({"grass": 2.0}, window=WHOLE)],
        ),
    ],
)
def test_edited_probabilities_are_the_references(
    name: str, controls: list[Control], read: Any
) -> None:
    stored = torch.tensor(NUMBERS["edited"][name])  # -> (steps, targets, pixels, tokens)
    steps, targets = stored.shape[:2]
    count = targets + 1
    prompts = tuple(read(text) for text in PROMPTS[:count])
    for control in controls:
        control.start(SimpleNamespace(prompts=prompts, controls=controls))
    rows = Rows.by_blocks(count, ("positive",), count)
    site = Site("up", "cross", "up.0", 1, 0)
    for index in range(steps):
        generator = torch.Generator().manual_seed(index)
        # The reference's inputs, as make.py draws them for three prompts.
        probs = (2 * torch.randn(3, 2, 77, generator=generator)).softmax(-1)[:count]
        attention = attending(probs)
        step = Step(0, index, steps, index, 0, 0.0, 0.0, 1, 2, 77, rows)
        for control in controls:
            if control.acts(site, step):
                control.attend(LayerCall(site, step, 1, 2, 77), attention)
        output = attention.output()
        for target in range(targets):
            edited = attention.probabilities(target + 1)[0]
            torch.testing.assert_close(edited, stored[index, target], atol=1e-6, rtol=1e-5)
            expected = stored[index, target] @ attention.value[target + 1, 0]
            torch.testing.assert_close(output[target + 1, 0], expected, atol=1e-5, rtol=1e-5)


def test_words_behind_a_swap_stay_aligned_though_the_reference_shifts_them(read: Any) -> None:
    source, target = read("cat on a car"), read("balloon on a car")
    matrix = align(source, target, "replace").matrix(77)
    balloon, cat = list(target.word("balloon").tokens[0]), list(source.word("cat").tokens[0])
    torch.testing.assert_close(matrix[cat][:, balloon], torch.full((1, len(balloon)), 1 / 3))
    for word in ("on", "a", "car"):
        (old,), (new,) = source.word(word).tokens[0], target.word(word).tokens[0]
        assert matrix[old, new] == 1
        assert replacement_mapper(source, target, 77)[old, new] == 0
    torch.testing.assert_close(matrix[:6].sum(1), torch.ones(6))


def test_a_swap_of_a_long_word_for_a_short_one_keeps_all_its_attention(read: Any) -> None:
    source, target = read("balloon on a car"), read("cat on a car")
    matrix = align(source, target, "replace").matrix(77)
    assert matrix[:, target.word("cat").tokens[0][0]].sum() == 3
    assert matrix[-1, -1] == 1


@pytest.mark.parametrize(
    ("source", "target", "unmatched", "dropped"),
    [
        ("a photo of a cat", "a photo of a red cat", ["red"], []),
        ("dog", "the dog with on", ["the", "with", "on"], []),
        ("a cat and a dog", "a dog and a cat", ["dog", "cat"], ["cat", "dog"]),
        ("a red, big car", "a car", [], ["red", "big"]),
        ("a Red car", "a red car", [], []),
    ],
)
def test_refine_links_the_words_that_both_have(
    source: str, target: str, unmatched: list[str], dropped: list[str], read: Any
) -> None:
    alignment = align(read(source), read(target), "refine")
    assert [unit.text for unit in alignment.unmatched] == unmatched
    assert [unit.text for unit in alignment.dropped] == dropped
    own = alignment.own(77)
    kept = [token for unit in alignment.unmatched for token in unit.tokens]
    assert own[kept].all() and own[: alignment.ends[1]].sum() == len(kept)


def test_a_phrase_swapped_for_one_of_other_length_shares_its_attention_out(read: Any) -> None:
    source, target = read("a red car on grass"), read("a dog on grass")
    alignment = align(source, target, "replace")
    (dog,) = (unit for link in alignment.links for unit in link.target if unit.text == "dog")
    assert [(unit.text, share) for unit, share in alignment.weights(dog)] == [
        ("red", 1.0),
        ("car", 1.0),
    ]
    assert not alignment.unmatched
