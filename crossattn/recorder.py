"""Recording which tokens each pixel attends to, without changing the picture."""

from typing import Any, Literal

from torch.nn import ModuleList

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.encoders import Prompts
from crossattn.errors import ControlError, TraceError
from crossattn.flow import Flow, read_flows
from crossattn.head_weights import head_weights
from crossattn.record import Layout, Record
from crossattn.rows import Rows
from crossattn.session import Session
from crossattn.site import Layers, Site, is_among
from crossattn.step import LayerCall, Step
from crossattn.summing import Sums
from crossattn.trace import Trace

NO_NEGATIVE = (
    "Recorder(negative=True): the model is run without guidance, so no row is of the negative "
    "prompt; use guidance above 1, or leave negative=True out."
)


class Recorder(Control):
    """Records every step and the chosen sites; what it saw stands in `trace`.

    `bins` groups of steps can be asked apart (1: only their sum; as many as steps: each of them);
    `heads` keeps each head rather than their mean, or, "weighed", a mean in which heads count
    by their part in what the layer gives, which finds words better where there is no room for all
    of them and takes a run of the layer more; `negative` records the negative prompt's
    rows too; `layers` chooses blocks or sites as in `Trace.at`; `text` also reads the text
    encoders' own attention over the prompts into `flows`, on entering. Only the prompt's tokens are
    kept: padding follows from them, since probabilities sum to 1 (in joint attention it has one map
    more). Sums stay on the model's device until `attach` is left. If the model runs several times,
    `trace` is of the last run. Placed before an edit in `attach`, it sees what there was; after it,
    what became.

    Raises `TraceError` at the first step if the trace would take more than `limit` bytes.
    """

    def __init__(
        self,
        *,
        bins: int = 1,
        heads: bool | Literal["weighed"] = False,
        negative: bool = False,
        layers: Layers | None = None,
        text: bool = False,
        limit: int = 2**30,
    ) -> None:
        if bins < 1:
            raise ControlError(f"Recorder(bins={bins}): expected 1 or more groups of steps.")
        self.bins = bins
        self.heads = heads
        self.negative = negative
        self.text = text
        self.limit = limit
        self.flows: tuple[Flow, ...] = ()
        self.layers = layers
        self._session: Session | None = None
        self._record: Record | None = None
        self._sums: Sums | None = None
        self._run = -1

    @property
    def trace(self) -> Trace:
        """What was recorded by now; raises `TraceError` before the first step."""
        if self._record is None:
            raise TraceError("Nothing is recorded yet: run the pipeline inside `with attach(...)`.")
        self._settle()
        # In mid-run the sums go on changing, and a trace stays as it was taken.
        return Trace.of(self._record.snapshot() if self._session else self._record)

    def nbytes(
        self,
        pipe: Any,
        prompt: Prompts,
        negative_prompt: Prompts | None = None,
        *,
        steps: int,
        height: int,
        width: int,
        images: int = 1,
        frames: int = 1,
    ) -> int:
        """The bytes that a trace will take, before any run.

        `height` and `width` are in pixels; `images` counts those of each prompt, `frames` those of
        a video's latent.
        """
        session = Session(pipe, (self,), prompt, negative_prompt, guided=False)
        factor = getattr(pipe, session.family.scale)
        prompts = len(session.prompts)
        rows = Rows.by_blocks(images * prompts, ("positive",), prompts)
        tokens = max(each.reader.offset + each.limit for each in session.encoders)
        size = height // factor, width // factor
        step = Step(0, 0, steps, 0, 0, 0.0, 0.0, *size, tokens, rows, frames)
        return self._layout(session, step).nbytes

    def wants(self, site: Site) -> bool:
        """The chosen cross-attention sites."""
        return site.kind == "cross" and is_among(site, self.layers)

    def start(self, session: Session) -> None:
        """Forget the run before; raises `ControlError` if no site was chosen."""
        if not any(self.wants(site) for site in session.sites):
            blocks = dict.fromkeys(site.block for site in session.sites if site.kind == "cross")
            raise ControlError(
                f"Recorder(layers={self.layers!r}) leaves none of the model's cross-attention; "
                f"there are {', '.join(blocks)}."
            )
        if self.heads == "weighed":
            self._check_projections(session)
        self._session = session
        self._record = None
        self.flows = read_flows(session.pipe, session.prompts) if self.text else ()

    def before_step(self, step: Step) -> None:
        """Make room at the first step of a run."""
        assert self._session is not None
        if self._record is None or step.run != self._run:
            if self.negative and self._session.guidance.guided is False:
                raise ControlError(NO_NEGATIVE)
            layout = self._layout(self._session, step)
            if layout.nbytes > self.limit:
                raise TraceError(
                    f"Recording would take {layout.nbytes / 2**20:,.0f} MiB, over the limit of "
                    f"{self.limit / 2**20:,.0f}: choose fewer layers or bins, heads=False, or a "
                    "higher limit."
                )
            self._record, self._run = Record.empty(layout), step.run
            self._sums = Sums(self._record)
        if self._record.layout.prompt_of != step.rows.prompt:
            raise ControlError(
                f"The model drew {self._record.layout.images} image(s) at first and "
                f"{step.rows.images} at step {step.index}; record runs of another number apart."
            )
        self._record.announce(step)

    def acts(self, site: Site, step: Step) -> bool:
        """Where this call has rows of a side that is recorded."""
        return bool(step.rows.positive or (self.negative and step.rows.negative))

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Add this call's probabilities; the attention is left untouched."""
        assert self._sums is not None and self._session is not None
        weights = None
        if self.heads == "weighed":
            weights = head_weights(attention.given(), self._session.modules[call.site].to_out[0])
        self._sums.add(call, attention, weights)

    def _check_projections(self, session: Session) -> None:
        if len(session.turns) > 1:
            raise ControlError(
                'Recorder(heads="weighed"): the model has two transformers in turn, each with a '
                "projection of its own; use heads=True, or record one."
            )
        for site, module in session.modules.items():
            # A lone layer (FLUX.2's) projects more than the heads.
            own = isinstance(getattr(module, "to_out", None), ModuleList)
            if self.wants(site) and not own:
                raise ControlError(
                    f'Recorder(heads="weighed"): the heads of {site.name} have no projection of '
                    "their own; choose other layers, or heads=True."
                )

    def finish(self) -> None:
        """Raise `ControlError` if a side that was asked for was never computed."""
        if self._record is None:
            return
        if self.negative and not self._record.site_visits["negative"].any():
            raise ControlError(NO_NEGATIVE)

    def leave(self) -> None:
        """Let go of the model and its device."""
        self._settle()
        self._session = self._sums = None
        if self._record is not None:
            self._record = self._record.snapshot()

    def _settle(self) -> None:
        """Have the record hold all that was seen."""
        if self._sums is not None:
            self._sums.settle()

    def _layout(self, session: Session, step: Step) -> Layout:
        prompts, negatives = session.prompts, session.negative_prompts
        if self.negative and not negatives:
            raise ControlError(
                "Recorder(negative=True) needs the negative prompt's words: "
                'attach(..., negative_prompt="...") (it may be empty).'
            )
        return Layout(
            sites=tuple(site for site in session.sites if self.wants(site)),
            sides=("positive", "negative") if self.negative else ("positive",),
            height=step.height,
            width=step.width,
            tokens=max((prompt.length for prompt in (*prompts, *negatives)), default=step.tokens),
            steps=step.total,
            bins=min(self.bins, step.total),
            heads=self.heads is True,
            prompt_of=step.rows.prompt,
            prompts=prompts,
            negative_prompts=negatives,
            crop=session.crop,
            rest=session.family.order != "cross",
            located=session.family.located(session.denoiser),
            frames=step.frames,
        )
