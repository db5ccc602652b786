"""One matrix over the families: what is recorded and edited, against attention written out."""

import functools
from typing import Any

import pytest
import torch
from joint_oracle import Meeting, Oracle
from tiny_models import EVERY, PROMPT, TINY, draw
from torch import Tensor

from crossattn import Recorder, Trace, attach
from crossattn.controls import (
    Box,
    HoldRegions,
    Replace,
    Reweight,
    ShareSelfAttention,
    Window,
)

OTHER = "a red dog left of a blue balloon on grass"
CLOSE = {"rtol": 0.0, "atol": 2e-6}

every = pytest.mark.parametrize("name", EVERY)
both = pytest.mark.parametrize("guided", [False, True])


@functools.cache
def pipe_of(name: str) -> Any:
    pipe = TINY[name].make()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@functools.cache
def plain(name: str, guided: bool, pair: bool = False) -> Tensor:
    return draw(name, pipe_of(name), [PROMPT, OTHER] if pair else PROMPT, guided=guided)


@functools.cache
def traced(name: str, guided: bool) -> tuple[Tensor, Trace]:
    recorder = Recorder(heads=True, bins=2)
    with attach(pipe_of(name), recorder, prompt=PROMPT):
        made = draw(name, pipe_of(name), guided=guided)
    return made, recorder.trace


def written_out(name: str, guided: bool, edit: Any = None, prompt: Any = PROMPT) -> Any:
    pipe, tiny = pipe_of(name), TINY[name]
    oracle = Oracle(pipe.transformer, tiny.layers, edit)
    with oracle:
        made = draw(name, pipe, prompt, guided=guided)
    return made, oracle.seen


def agree(made: Tensor, expected: Tensor, untouched: Tensor) -> None:
    """An edit is the one written out, within a hundredth of what it does."""
    effect = (expected - untouched).abs().max()
    assert effect > 2e-4
    assert (made - expected).abs().max() < 0.01 * effect


def tokens(name: str, word: str, prompt: str = PROMPT) -> list[int]:
    """The places of a word, found by tokenizing it alone; one for each encoder."""
    found = set()
    for encoder, _, offset in TINY[name].encoders:
        recorded = traced(name, False)[1].prompt
        encoding = next(each for each in recorded.encodings if each.name == encoder)
        places = [t.index for t in encoding.tokens if t.text.strip().lower() == word]
        assert places and min(places) >= offset
        found |= set(places)
    return sorted(found)


@both
@every
def test_recording_never_changes_the_picture(name: str, guided: bool) -> None:
    assert torch.equal(traced(name, guided)[0], plain(name, guided))


@both
@every
def test_maps_are_the_softmax_over_all_keys_of_the_hosts_own_queries(
    name: str, guided: bool
) -> None:
    tiny, (_, trace) = TINY[name], traced(name, guided)
    _, seen = written_out(name, guided)
    record = trace.view.record
    assert [site.name for site in record.layout.sites] == list(seen)
    for site in record.layout.sites:
        visits = [
            (probs, row)
            for number, probs in enumerate(seen[site.name])
            for row in tiny.positive(number, len(probs), guided)
        ]
        assert len(visits) == record.layout.steps == 2
        for step, (probs, row) in enumerate(visits):
            keys = probs.shape[-1]
            text = probs[row, :, tiny.image(keys) if tiny.order != "cross" else slice(None)]
            text = text[..., tiny.text(keys)]
            kept = record.maps["positive", site.name][0, step].double()
            own = record.layout.tokens
            torch.testing.assert_close(kept[..., :own], text[..., :own], **CLOSE)
            if tiny.order != "cross":
                torch.testing.assert_close(kept[..., own], text[..., own:].sum(-1), **CLOSE)


@every
def test_every_words_tokens_are_the_pipelines(name: str) -> None:
    pipe, tiny, read = pipe_of(name), TINY[name], {}

    def listen(encoder: str) -> Any:
        def note(module: Any, args: Any, kwargs: Any) -> None:
            ids, mask = kwargs.get("input_ids", args[0] if args else None), None
            mask = kwargs.get("attention_mask")
            row = ids[-1] if mask is None else ids[-1][mask[-1].bool()]
            read[encoder] = row.tolist()

        return note

    hooks = [
        getattr(pipe, part).register_forward_pre_hook(listen(encoder), with_kwargs=True)
        for encoder, part, _ in tiny.encoders
    ]
    draw(name, pipe, guided=False, steps=1)
    for hook in hooks:
        hook.remove()
    prompt = traced(name, False)[1].prompt
    assert [each.name for each in prompt.encodings] == [each[0] for each in tiny.encoders]
    for encoding, (_, _, offset) in zip(prompt.encodings, tiny.encoders, strict=True):
        ids = [token.id for token in encoding.tokens]
        heard = read[encoding.name]
        # Where a template's tokens are dropped, Sana keeps the first of all.
        ids, heard = (ids[1:], heard[1:]) if name == "sana" else (ids, heard)
        at = next(at for at in range(len(heard)) if heard[at : at + len(ids)] == ids)
        assert bool(at) == tiny.drops and encoding.offset == offset
        words = [token.word for token in encoding.tokens if token.word is not None]
        assert sorted(set(words)) == list(range(10))


@every
def test_words_padding_and_pixels_add_up_to_everything(name: str) -> None:
    whole = traced(name, True)[1]
    trace = whole.frame(0)
    total = sum(mass for _, mass in trace.mass) + trace.padding.mass
    loose = {
        token.index
        for encoding in trace.prompt.encodings
        for token in encoding.tokens
        if token.word is None
    }
    total += trace.view.mass(sorted(loose))
    if TINY[name].order != "cross":
        total += trace.pixels.mass
        assert 0 < trace.pixels.mass < 1
    assert total == pytest.approx(1, abs=1e-5)


@both
@every
def test_a_words_weight_multiplies_its_probabilities_for_pixels_alone(
    name: str, guided: bool
) -> None:
    tiny, weighed = TINY[name], tokens(name, "car")

    def edit(met: Meeting) -> Tensor:
        probs = met.probabilities()
        keys = probs.shape[-1]
        for row in tiny.positive(met.visit, len(probs), guided):
            first = tiny.text(keys).start
            for token in weighed:
                probs[row, :, tiny.image(probs.shape[-2]), first + token] *= 2.5
        return probs @ met.value

    expected, _ = written_out(name, guided, edit)
    with attach(pipe_of(name), Reweight({"car": 2.5}), prompt=PROMPT):
        made = draw(name, pipe_of(name), guided=guided)
    agree(made, expected, plain(name, guided))


@every
def test_a_word_is_shut_out_of_where_it_is_not_held(name: str) -> None:
    tiny, held = TINY[name], tokens(name, "car")

    def edit(met: Meeting) -> Tensor:
        bias = met.bias.expand(len(met.query), -1, met.query.shape[2], met.key.shape[2]).clone()
        keys = bias.shape[-1]
        right = [pixel for pixel in range(tiny.pixels) if pixel % 4 >= 2]
        queries = torch.arange(bias.shape[-2])[tiny.image(bias.shape[-2])][right]
        for row in tiny.positive(met.visit, len(bias), True):
            for token in held:
                bias[row, :, queries, tiny.text(keys).start + token] = float("-inf")
        met.bias = bias
        return met.probabilities() @ met.value

    expected, _ = written_out(name, True, edit)
    with attach(pipe_of(name), HoldRegions({"car": Box(0, 0, 0.5, 1)}), prompt=PROMPT):
        made = draw(name, pipe_of(name), guided=True)
    agree(made, expected, plain(name, True))


@both
@every
def test_a_swapped_word_looks_where_the_sources_looked(name: str, guided: bool) -> None:
    tiny, swapped = TINY[name], tokens(name, "car")
    prompts = [PROMPT, OTHER]

    def edit(met: Meeting) -> Tensor:
        probs = met.probabilities()
        keys = probs.shape[-1]
        rows = tiny.positive(met.visit, len(probs), guided)
        if len(rows):
            source, target = rows
            image, first = tiny.image(probs.shape[-2]), tiny.text(keys).start
            # Both prompts have the same number of tokens: each takes its counterpart's attention.
            probs[target, :, image, tiny.text(keys)] = probs[source, :, image, tiny.text(keys)]
            assert first + max(swapped) < keys
        return probs @ met.value

    expected, _ = written_out(name, guided, edit, prompts)
    with attach(pipe_of(name), Replace(Window(0, 1)), prompt=prompts):
        made = draw(name, pipe_of(name), prompts, guided=guided)
    agree(made, expected, plain(name, guided, True))
    assert torch.equal(made[0], plain(name, guided, True)[0])


@pytest.mark.parametrize("name", [each for each in EVERY if not TINY[each.values[0]].linear])
def test_a_shared_composition_attends_with_the_sources_queries_and_keys(name: str) -> None:
    tiny, prompts = TINY[name], [PROMPT, OTHER]
    own = tiny.layers if tiny.order != "cross" else ("attn1",)

    def edit(met: Meeting) -> Tensor:
        host = met.probabilities() @ met.value
        rows = tiny.positive(met.visit, len(host), True)
        if len(rows):
            source, target = rows
            image = tiny.image(met.query.shape[2])
            met.query[target, :, image] = met.query[source, :, image]
            met.key[target, :, image] = met.key[source, :, image]
            host[target, :, image] = (met.probabilities() @ met.value)[target, :, image]
        return host

    oracle = Oracle(pipe_of(name).transformer, (*own, *tiny.further), edit)
    with oracle:
        expected = draw(name, pipe_of(name), prompts, guided=True)
    with attach(pipe_of(name), ShareSelfAttention(Window(0, 1)), prompt=prompts):
        made = draw(name, pipe_of(name), prompts, guided=True)
    agree(made, expected, plain(name, True, True))


@every
def test_leaving_restores_the_model(name: str) -> None:
    pipe = pipe_of(name)
    before = {
        layer: id(module.processor)
        for layer, module in pipe.transformer.named_modules()
        if hasattr(module, "processor")
    }
    with (
        attach(pipe, Recorder(), prompt=PROMPT),
        attach(pipe, Reweight({"car": 2.0}), prompt=PROMPT),
    ):
        draw(name, pipe, guided=False, steps=1)
    for layer, module in pipe.transformer.named_modules():
        if hasattr(module, "processor"):
            assert before[layer] == id(module.processor)
        assert not module._forward_pre_hooks and not module._forward_hooks
    assert torch.equal(draw(name, pipe, guided=False), plain(name, False))
