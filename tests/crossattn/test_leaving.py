"""One owner for every patch: threads do not meet, and whoever leaves, in any order, is gone."""

import copy
import gc
import pickle
import random
import threading
import weakref
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from tiny_pictures import run
from torch import Tensor

from crossattn import Control, Recorder, Step, attach
from crossattn.controls import Reweight

A, B = "a red car", "a blue dog"
ROUNDS = 20
OWN = torch._C._nn.scaled_dot_product_attention


def beside(pipe: Any) -> Any:
    """Another pipeline over the same models.

    Schedulers keep the step, and fast tokenizers how they last padded: each has its own.
    """
    own = {name: copy.deepcopy(getattr(pipe, name)) for name in ("scheduler", "tokenizer")}
    other = type(pipe)(**pipe.components | own, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    return other


def traces_of(pipe: Any) -> dict[str, Any]:
    """What attaching could leave: attributes of the pipeline and its parts, and their hooks."""
    parts = {"": pipe} | {name: part for name, part in pipe.components.items() if part is not None}
    found: dict[str, Any] = {name: set(vars(part)) for name, part in parts.items()}
    for name, part in parts.items():
        for inner, module in part.named_modules() if isinstance(part, torch.nn.Module) else ():
            found[f"{name}.{inner}"] = set(vars(module))
            assert not module._forward_pre_hooks and not module._forward_hooks
    return found


@pytest.mark.slow
def test_threads_over_one_model_record_and_draw_as_if_alone(sd_pipe: Any) -> None:
    pipes = [sd_pipe, beside(sd_pipe), beside(sd_pipe)]

    def draw(number: int) -> tuple[Tensor, Tensor | None]:
        """The first two record, the third one only draws."""
        if number == 2:
            return run(pipes[2], A, steps=2), None
        recorder = Recorder(heads=True)
        latents = run(pipes[number], (A, B)[number], recorder, steps=2)
        return latents, recorder.trace[("car", "dog")[number]].data

    alone = [draw(number) for number in range(3)]
    start = threading.Barrier(3)
    together: list[list[tuple[Tensor, Tensor | None]]] = [[], [], []]

    def work(number: int) -> None:
        for _ in range(ROUNDS):
            start.wait(60)
            together[number].append(draw(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (latents, heat) in enumerate(alone):
        assert len(together[number]) == ROUNDS
        for drawn, recorded in together[number]:
            assert torch.equal(drawn, latents)
            assert heat is None or torch.equal(recorded, heat)


class Moves(Control):
    """Acts at every site and on the latents, so that everything there is to patch is patched."""

    def wants(self, site: Any) -> bool:
        return True

    def shift(self, step: Step) -> Tensor:
        return torch.zeros(1, 4, 8, 8)


@pytest.mark.slow
def test_attaches_left_in_any_order_leave_nothing(sd_pipe: Any) -> None:
    plain = run(sd_pipe, A, steps=1)
    before = traces_of(sd_pipe)
    chance = random.Random(0)
    sessions: list[weakref.ref[Any]] = []
    entered: list[AbstractContextManager[Any]] = []
    for number in range(200):
        entered.append(attach(sd_pipe, Recorder(), Moves(), prompt=A))
        sessions.append(weakref.ref(entered[-1].__enter__()))
        if number % 50 == 0:
            assert torch.equal(run(sd_pipe, A, steps=1), plain)
        while len(entered) > 4 or (entered and chance.random() < 0.4):
            entered.pop(chance.randrange(len(entered))).__exit__(None, None, None)
    while entered:
        entered.pop(chance.randrange(len(entered))).__exit__(None, None, None)
    assert traces_of(sd_pipe) == before
    assert F.scaled_dot_product_attention is OWN
    assert torch.equal(run(sd_pipe, A, steps=1), plain)
    gc.collect()
    assert not [each for each in sessions if each() is not None]


def test_an_attach_may_be_left_while_the_model_runs(sd_pipe: Any) -> None:
    plain = run(sd_pipe, A, steps=2)

    class Leaves(Control):
        """Ends another attach in the midst of a call, as another thread may at any moment."""

        def wants(self, site: Any) -> bool:
            return True

        def __init__(self, where: str) -> None:
            self.where = where

        def before_step(self, step: Step) -> None:
            self.end(self.where == "the denoiser")

        def attend(self, call: Any, attention: Any) -> None:
            self.end(self.where == "a layer")

        def end(self, here: bool) -> None:
            if here and entered:
                entered.pop().__exit__(None, None, None)

    for where in ("the denoiser", "a layer"):
        entered: list[AbstractContextManager[Any]] = []
        with attach(sd_pipe, Leaves(where), prompt=A):
            entered.append(attach(sd_pipe, Moves(), prompt=A))
            entered[0].__enter__()
            assert torch.equal(run(sd_pipe, A, steps=2), plain)
        assert not entered


def test_a_copy_made_while_attached_is_plain(sd_pipe: Any) -> None:
    plain = run(sd_pipe, A, steps=2)
    weights = Reweight({"car": 3.0})
    with attach(sd_pipe, weights, Moves(), prompt=A):
        edited = run(sd_pipe, A, steps=2)
        copies = copy.deepcopy(sd_pipe), pickle.loads(pickle.dumps(sd_pipe))
        inside = [run(each, A, steps=2) for each in copies]
    assert not torch.equal(edited, plain)
    for each, drawn in zip(copies, inside, strict=True):
        assert torch.equal(drawn, plain)
        assert torch.equal(run(each, A, steps=2), plain)
        # Nothing of ours is in it.
        traces_of(each)
        assert b"crossattn" not in pickle.dumps(each)
        # And it can be attached to like any other.
        assert torch.equal(run(each, A, Reweight({"car": 3.0}), steps=2), edited)
