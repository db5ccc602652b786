"""Attaching controls to a model for the length of a `with`, and leaving it as it was."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Call, Control, Step
from crossattn.encoders import Prompts, read_prompts
from crossattn.errors import ControlError, UnsupportedModelError
from crossattn.processor import SiteProcessor
from crossattn.rows import Rows
from crossattn.schedule import Schedule, watch
from crossattn.site import Site, check_processors, find_denoiser, site_modules


class Session:
    """What the controls of one `attach` share: the model's sites, the prompts, the present step."""

    def __init__(
        self,
        pipe_or_model: Any,
        controls: Sequence[Control],
        prompt: Prompts | None,
        negative_prompt: Prompts | None,
        guided: bool | None,
    ) -> None:
        self.pipe = pipe_or_model
        self.denoiser = find_denoiser(pipe_or_model)
        self.modules = dict(site_modules(self.denoiser))
        self.sites = tuple(self.modules)
        self.controls = tuple(controls)
        self.prompts = read_prompts(prompt, pipe_or_model)
        self.negative_prompts = read_prompts(negative_prompt, pipe_or_model)
        self._guided = guided
        # What the scheduler was last given, and whether it drew noise for the whole batch at once.
        self.predicted: Tensor | None = None
        self.drew = False
        # The number of the call that the present run began with: not 0 for a picture's variation.
        self.begun = 0
        self._step: Step | None = None
        self._arguments: dict[str, Any] = {}
        self._shifts: list[Tensor] = []
        self._paused = False
        self._signature = inspect.signature(type(self.denoiser).forward)
        self._wanted = {
            site: tuple(control for control in self.controls if control.wants(site))
            for site in self.sites
        }

    @property
    def step(self) -> Step:
        """The denoiser's present step; raises `ControlError` before the first."""
        if self._step is None:
            raise ControlError("The model has not been run yet inside this attach.")
        return self._step

    @property
    def given(self) -> Tensor:
        """The latents (rows, channels, height, width) that the denoiser is given at this step."""
        latents: Tensor = self._arguments["sample"]
        return latents

    @property
    def guided(self) -> bool:
        """Whether the batch holds negative rows: as told to `attach`, else as the pipeline says."""
        if self._guided is not None:
            return self._guided
        return bool(getattr(self.pipe, "do_classifier_free_guidance", False))

    @property
    def scheduler(self) -> Any:
        """The pipeline's scheduler; raises `ControlError` for a bare model, which has none."""
        if (scheduler := getattr(self.pipe, "scheduler", None)) is None:
            raise ControlError(
                "A control of latents follows the scheduler, and a bare model has none: attach to "
                "the pipeline."
            )
        return scheduler

    @property
    def schedule(self) -> Schedule:
        """What the pipeline's scheduler plans; nothing where there is none."""
        return Schedule(getattr(self.pipe, "scheduler", None))

    @contextmanager
    def aside(self) -> Iterator[Callable[[Tensor], None]]:
        """Run the denoiser on the side at this step, unseen by every attached session.

        Gives a function that runs it on this step's latents moved by a tensor (images, channels,
        height, width), as `Control.shift` would; on the conditional rows alone, with gradients.
        """
        attached = {s for module in self.modules.values() for s in module.processor.sessions}
        rows = list(self.step.rows.positive)
        count = len(rows) + len(self.step.rows.negative)
        given = {name: _rows(value, rows, count) for name, value in self._arguments.items()}

        def run(by: Tensor) -> None:
            self.denoiser(**given | {"sample": given["sample"] + self._scaled(by)})

        for session in attached:
            session._paused = True
        try:
            with torch.enable_grad():
                yield run
        finally:
            for session in attached:
                session._paused = False

    def acts_at(self, site: Site) -> bool:
        """Whether any control of this session wants `site` now."""
        return self._step is not None and not self._paused and bool(self._wanted[site])

    def attend(self, site: Site, attention: Attention) -> None:
        """Show one attention in flight to the controls that want the site, in order."""
        step = self.step
        height, width = site.grid(step.height, step.width)
        if height * width != attention.pixels:
            raise UnsupportedModelError(
                f"{site.name} attends from {attention.pixels} pixels where {height} × {width} were "
                f"expected for a latent of {step.height} × {step.width}."
            )
        call = Call(site, step, height, width, attention.tokens)
        for control in self._wanted[site]:
            control.attend(call, attention)

    def _announce(self, denoiser: torch.nn.Module, args: Any, kwargs: Mapping[str, Any]) -> Any:
        if self._paused:
            return None
        # The model announces the step itself; the timestep may come by position or by name.
        bound = self._signature.bind(denoiser, *args, **kwargs)
        self._arguments = {
            name: bound.arguments[name] for name in bound.arguments if name != "self"
        }
        sample = self.given
        timestep = float(torch.as_tensor(self._arguments["timestep"]).flatten()[0])
        index, call, total = self.schedule.at(timestep, self._step)
        if self._step is None or call <= self._step.call:
            self.begun = call
        self._step = step = Step(
            index=index,
            call=call,
            total=total,
            timestep=timestep,
            sigma=self.schedule.sigma(timestep),
            height=sample.shape[-2],
            width=sample.shape[-1],
            tokens=self._arguments["encoder_hidden_states"].shape[1],
            rows=Rows.read(sample.shape[0], self.guided, len(self.prompts) or None),
        )
        self._shifts = []
        for control in self.controls:
            control.before_step(step)
        for control in self.controls:
            if (by := control.shift(step)) is not None:
                self._shift(by)
        if not self._shifts:
            return None
        bound.arguments["sample"] = self.given
        return bound.args[1:], bound.kwargs

    def _shift(self, by: Tensor) -> None:
        moved = self.given.clone()
        for side in (self.step.rows.positive, self.step.rows.negative):
            if side:
                moved[list(side)] += self._scaled(by)
        self._arguments["sample"] = moved
        self._shifts.append(by)

    def _scaled(self, by: Tensor) -> Tensor:
        """A move of the latents as the denoiser sees it: schedulers scale what they hand on."""
        scaled: Tensor = self.scheduler.scale_model_input(by, self.step.timestep)
        return scaled

    def _before(self, latents: Tensor) -> Tensor:
        """The latents that the scheduler goes on from, moved as the denoiser saw them."""
        for by in self._shifts:
            latents = latents + by.to(latents)
        return latents

    def _after(self, predicted: Tensor, latents: Tensor, drew: bool) -> Tensor:
        self.predicted, self.drew = predicted, drew
        # Until the denoiser is first asked, the scheduler but walks to where the run begins.
        for control in self.controls if self._step else ():
            latents = control.after_step(self.step, latents)
        return latents


@contextmanager
def attach(
    pipe_or_model: Any,
    *controls: Control,
    prompt: Prompts | None = None,
    negative_prompt: Prompts | None = None,
    guided: bool | None = None,
) -> Iterator[Session]:
    """Attach controls to a pipeline or denoiser; leaving restores the identical processors.

    `prompt` and `negative_prompt` name the words: the texts (or one text) that the pipeline is
    given, read as they stand. `guided` says whether the model's batch holds the negative rows
    first; a pipeline says so itself, a bare model is taken as unguided. Nests; safe under
    exceptions. Raises `UnsupportedModelError` for a model or processor that cannot be served,
    before anything is changed, and on leaving if somebody replaced the processors meanwhile.
    """
    session = Session(pipe_or_model, controls, prompt, negative_prompt, guided)
    check_processors(session.denoiser)
    for control in session.controls:
        control.start(session)
    with ExitStack() as stack:
        for control in session.controls:
            stack.callback(control.leave)
        handle = session.denoiser.register_forward_pre_hook(session._announce, with_kwargs=True)
        stack.callback(handle.remove)
        if session.schedule.scheduler or any(control.of_latents for control in controls):
            stack.callback(watch(session.scheduler, session._before, session._after))
        stack.callback(_install(session))
        yield session
        _check_kept(session)
        for control in session.controls:
            control.finish()


def _install(session: Session) -> Callable[[], None]:
    """Put the session's processor in place at every site; returns how to take it out again."""
    fresh: list[tuple[Any, SiteProcessor]] = []
    for site, module in session.modules.items():
        if not isinstance(module.processor, SiteProcessor):
            wrapped = SiteProcessor(module.processor, site)
            module.set_processor(wrapped)
            fresh.append((module, wrapped))
        module.processor.sessions.append(session)
    ours = [(module, module.processor) for module in session.modules.values()]

    def remove() -> None:
        for _, processor in ours:
            processor.sessions.remove(session)
        for module, processor in fresh:
            # Somebody else's processor, put in meanwhile, is theirs and stays.
            if module.processor is processor:
                module.set_processor(processor.host)

    return remove


def _check_kept(session: Session) -> None:
    for site, module in session.modules.items():
        processor = module.processor
        if not isinstance(processor, SiteProcessor) or session not in processor.sessions:
            raise UnsupportedModelError(
                f"{type(processor).__name__} replaced the attached processor at {site.name} during "
                "the run, so what was recorded or edited is incomplete; load adapters and switch "
                "attention before attaching."
            )


def _rows(value: Any, rows: list[int], count: int) -> Any:
    """Those rows of a tensor that has one for each of the batch; of all such in a collection."""
    if isinstance(value, dict):
        return {name: _rows(each, rows, count) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rows(each, rows, count) for each in value)
    if isinstance(value, Tensor) and value.ndim and value.shape[0] == count:
        return value[rows]
    return value
