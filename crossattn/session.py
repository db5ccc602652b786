"""Attaching controls to a model for the length of a `with`, and leaving it as it was."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from crossattn import visit
from crossattn.compiled import run_eagerly
from crossattn.control import Control
from crossattn.crop import Crop, hear_crops
from crossattn.denoiser import denoisers_in_turn, family_of, refuse_pipeline
from crossattn.encoders import Prompts, fitted, read_prompts, text_encoders
from crossattn.errors import ControlError
from crossattn.guidance import Guidance
from crossattn.heard import Heard
from crossattn.hooks import after, before
from crossattn.intercept import intercepted
from crossattn.latents import Latents
from crossattn.layers import Layers
from crossattn.per_tensor import PerTensor
from crossattn.schedule import Clock, Plan
from crossattn.sides import listen
from crossattn.site import site_modules
from crossattn.step import Step
from crossattn.stepping import watch
from crossattn.words import Prompt

_active: ContextVar[tuple["Session", ...]] = ContextVar("active", default=())
"""The sessions that act in this context: those that were entered in it and have not been left."""


class Session:
    """What the controls of one `attach` share: the model's sites, the prompts, the present step.

    It acts in the context (`contextvars`) that entered it alone: other threads, and generators that
    run in contexts of their own, draw with the same model as if nothing were attached.
    """

    def __init__(
        self,
        pipe_or_model: Any,
        controls: Sequence[Control],
        prompt: Prompts | None,
        negative_prompt: Prompts | None,
        guided: bool | None,
    ) -> None:
        self.pipe = pipe_or_model
        self.turns = denoisers_in_turn(pipe_or_model)
        self.denoiser, self.called = self.turns[0]
        self.family = family_of(self.denoiser)
        self.modules = dict(site_modules(self.denoiser))
        self.sites = tuple(self.modules)
        self.controls = tuple(controls)
        self.encoders = text_encoders(pipe_or_model)
        self.prompts = read_prompts(prompt, self.encoders)
        self.negative_prompts = read_prompts(negative_prompt, self.encoders, negative=True)
        self.latents = Latents(pipe_or_model, self.denoiser, self.family.inputs)
        self.heard = Heard(self.encoders)
        self.guidance = Guidance(
            pipe_or_model,
            self.heard,
            self.prompts,
            self.negative_prompts,
            guided,
            self.family.sides,
        )
        self._named = bool(self.prompts)
        self._heard_in: Tensor | None = None
        self.crop: Crop | None = None
        self._clock = Clock()
        self._step: Step | None = None
        self._paused = False
        self._elsewhere = False
        self._names = tuple(inspect.signature(type(self.denoiser).forward).parameters)[1:]
        self.layers = Layers(self.family, self.modules, self.controls, self.turns[1:])
        self._embeds: PerTensor[Tensor] = PerTensor()
        self._lengths: PerTensor[int] = PerTensor()

    @property
    def step(self) -> Step:
        """The denoiser's present step; raises `ControlError` before the first."""
        if self._step is None:
            raise ControlError("The model has not been run yet inside this attach.")
        return self._step

    @property
    def plan(self) -> Plan | None:
        """What the pipeline's scheduler plans; None where there is none, or no steps are set."""
        return Plan.read(getattr(self.pipe, "scheduler", None))

    @contextmanager
    def without_controls(self) -> Iterator[Callable[[Tensor], None]]:
        """Run the denoiser on the side at this step, unseen by every session of this context.

        Gives a function that runs it on this step's latents moved by a tensor (images, channels,
        height, width), as `Control.shift` would; on the conditional rows alone, with gradients.
        """
        sessions = _active.get()
        step = self.step

        def run(by: Tensor) -> None:
            self.called(**self.latents.moved_rows(step, by))

        for session in sessions:
            session._paused = True
        try:
            with torch.enable_grad():
                yield run
        finally:
            for session in sessions:
                session._paused = False

    def finish(self) -> None:
        """Let each control tell what it missed; raise if the model was run, but not in sight."""
        if self._elsewhere and self._step is None:
            raise ControlError(
                "The model was run in another thread or context than the one that attached, so "
                "nothing was seen; enter attach where the pipeline is run."
            )
        for control in self.controls:
            control.finish()

    def acts_at(self, layer: str) -> bool:
        """Whether a control acts at this visit to that layer."""
        return layer in self.layers.acting and self._acts

    def enter(self, stack: ExitStack) -> None:
        """Begin to listen and to act; what `stack` is given ends it."""
        stack.enter_context(intercepted())
        for encoder in self.encoders:
            if encoder.module is not None:
                stack.callback(after(encoder.module, self._in_context(self.heard.hear(encoder))))
        for denoiser, called in self.turns:
            stack.enter_context(run_eagerly(self.pipe, denoiser))
            stack.callback(listen(denoiser))
            stack.callback(before(called, self._announce))
        for layer, modules in self.layers.modules.items():
            for module in modules:
                stack.callback(visit.listen(module, self, layer))
        stack.callback(hear_crops(self.pipe, self._in_context(self._cropped)))
        if getattr(self.pipe, "scheduler", None) is not None:
            self._watch(stack)
        elif any(control.touches_latents for control in self.controls):
            _ = self.latents.scheduler
        _active.set((*_active.get(), self))
        stack.callback(self._deactivate)

    def before(self, latents: Tensor) -> Tensor:
        """The latents that the scheduler goes on from, moved as the denoiser saw them."""
        return self.latents.before_step(latents) if self._acts else latents

    def after(self, scheduler: Any, predicted: Tensor, latents: Tensor, drew: bool) -> Tensor:
        """The latents that the scheduler made, or what the controls make of them."""
        if not self._acts:
            return latents
        # Until the denoiser is first called, the scheduler only advances to where the run begins.
        if self._step is not None:
            self.latents.made(self._step, predicted, drew)
            latents = self.latents.edited(self._step, latents, self.controls)
        self.latents.settle()
        self._clock.step(scheduler)
        return latents

    @property
    def _acts(self) -> bool:
        return self in _active.get() and not self._paused

    def _in_context(self, listener: Callable[..., None]) -> Callable[..., None]:
        def hear(*args: Any) -> None:
            if self._acts:
                listener(*args)

        return hear

    def _cropped(self, crop: Crop) -> None:
        self.crop = crop

    def _watch(self, stack: ExitStack) -> None:
        """Follow the pipeline's scheduler, and another that is put in its place."""
        self._scheduler = self.pipe.scheduler
        self._unwatch = watch(self._scheduler, self)
        stack.callback(self._leave_scheduler)

    def _leave_scheduler(self) -> None:
        self._unwatch()
        # A cycle: what was recorded would wait for Python's collector.
        del self._unwatch

    def _deactivate(self) -> None:
        _active.set(tuple(session for session in _active.get() if session is not self))
        visit.forget()

    def _announce(self, called: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        if not self._acts:
            self._elsewhere |= not self._paused
            return None
        visit.forget()
        scheduler = getattr(self.pipe, "scheduler", None)
        if scheduler is not None and scheduler is not self._scheduler:
            self._unwatch()
            self._scheduler, self._unwatch = scheduler, watch(scheduler, self)
        # The model announces the step itself; its arguments may come by position or by name.
        arguments = dict(zip(self._names, args, strict=False)) | kwargs
        self.latents.announce(arguments)
        last, self._step = self._step, self._read_step(scheduler, arguments)
        step = self._step
        for control in self.controls:
            control.before_step(step)
        self.layers.begin(step)
        self.crop = None  # of this run, and the next may have none
        self._move(step, last)
        if not self.latents.moved:
            return None
        return (), arguments | {self.family.inputs.latents: self.latents.argument}

    def _move(self, step: Step, last: Step | None) -> None:
        """Let controls move the latents once an evaluation, and all its calls see them moved."""
        if last and (last.run, last.evaluation) == (step.run, step.evaluation):
            self.latents.move_again(step)
            return
        self.latents.settle()
        for control in self.controls:
            if (by := control.shift(step)) is not None:
                self.latents.move(step, by)

    def _read_step(self, scheduler: Any, arguments: Mapping[str, Any]) -> Step:
        inputs = self.family.inputs
        texts, mask = inputs.texts(arguments), arguments.get("encoder_attention_mask")
        # The same text is the same tensor at every step, and is looked at once.
        embeds = self._embeds.get(texts, lambda: inputs.embeds(arguments))
        seen = (*texts, mask) if isinstance(mask, Tensor) else texts
        tokens = self._lengths.get(seen, lambda: inputs.tokens(arguments))
        rows = self.guidance.rows(embeds, inputs.rows(arguments))
        if arguments.get("skip_layers") is not None:
            # Skip-layer guidance (SD3.5) runs the prompt through a part of the model.
            rows = rows.aside()
        if rows.positive and embeds is not self._heard_in:
            read = self.guidance.read_beside if self._named else self.guidance.read
            self.prompts, self._heard_in = read(embeds, rows), embeds
        # The sides of guidance may be given texts of different length, and in calls of their own.
        for name, own in (("prompts", rows.positive), ("negative_prompts", rows.negative)):
            if own:
                prompts: tuple[Prompt, ...] = getattr(self, name)
                setattr(self, name, tuple(fitted(p, self.encoders, tokens) for p in prompts))
        frames = self.latents.frames_for(self.controls)
        like = Step(0, 0, 1, 0, 0, 0.0, 0.0, *self.latents.size, tokens, rows, frames)

        def timestep() -> float:
            return float(torch.as_tensor(arguments[inputs.time]).flatten()[0])

        return self._clock.at(scheduler, timestep, like)


@contextmanager
def attach(
    pipe_or_model: Any,
    *controls: Control,
    prompt: Prompts | None = None,
    negative_prompt: Prompts | None = None,
    guided: bool | None = None,
) -> Iterator[Session]:
    """Attach controls to a pipeline or denoiser, and leave both as they were.

    `prompt` and `negative_prompt` name the words: the texts (or one text) that the pipeline is
    given, read as they stand. Without `prompt` they are read from what the pipeline's text encoders
    are given. Which rows of the model's batch are conditional is heard there too; for embeddings
    made beforehand the pipeline says it, or `guided` tells whether the batch holds negative rows.
    Acts in the context (`contextvars`) that enters it: other threads draw as if alone. Nests, may
    be left in any order, and is safe under exceptions. A compiled model runs eagerly meanwhile.

    Raises `UnsupportedModelError` for a model or processor that cannot be served, before anything
    is changed, and `ControlError` at the first step where rows or words have no certain meaning.
    """
    refuse_pipeline(pipe_or_model)
    session = Session(pipe_or_model, controls, prompt, negative_prompt, guided)
    session.layers.check_processors()
    for control in session.controls:
        control.start(session)
    with ExitStack() as stack:
        for control in session.controls:
            stack.callback(control.leave)
        session.enter(stack)
        yield session
        session.finish()
