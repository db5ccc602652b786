"""The attention layers that controls want, and what controls are shown of each call there."""

from collections.abc import Mapping, Sequence
from typing import Any

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.denoiser import refuse_processor
from crossattn.errors import UnsupportedModelError
from crossattn.family import Family
from crossattn.in_flight import InFlight
from crossattn.intercept import SdpaCall
from crossattn.site import Site
from crossattn.softmax import ALL
from crossattn.step import LayerCall, Step


class Layers:
    """The layers of `modules` at which any of the controls wants a site, by name.

    Where `others` (as `denoisers_in_turn` has them) take over, a layer is a module in each of them.
    `acting` has the controls that act at each in the present call of the denoiser, until it was
    shown to them: a second visit within one call is a recomputation, as gradient checkpointing does
    in the backward pass.
    """

    def __init__(
        self,
        family: Family,
        modules: Mapping[Site, Any],
        controls: Sequence[Control],
        others: Sequence[tuple[Any, Any]] = (),
    ) -> None:
        self._family = family
        cross = {site.name for site in modules if site.kind == "cross"}
        self._joint = {site.name for site in modules if site.kind == "self"} & cross
        self._wanted: dict[str, list[tuple[Control, Site]]] = {}
        self.modules: dict[str, tuple[Any, ...]] = {}
        self.acting: dict[str, list[tuple[Control, Site]]] = {}
        self._size: tuple[int, ...] = ()
        self._places: dict[str, tuple[int, int, slice, slice]] = {}
        for control in controls:
            for site, module in modules.items():
                if control.wants(site):
                    self._wanted.setdefault(site.name, []).append((control, site))
                    further = (other.get_submodule(site.name) for other, _ in others)
                    self.modules[site.name] = module, *further

    def begin(self, step: Step) -> None:
        """Ask the controls where they act in a call of the denoiser."""
        size = step.height, step.width, step.frames, step.tokens
        if size != self._size:
            self._size, self._places = size, {}
        self.acting = {
            layer: acting
            for layer, wanted in self._wanted.items()
            if (acting := [each for each in wanted if each[0].acts(each[1], step)])
        }

    def check_processors(self) -> None:
        """Raise `UnsupportedModelError` for a processor that cannot be served."""
        for layer, modules in self.modules.items():
            for module in modules:
                refuse_processor(layer, type(module.processor), self._family)

    def open(self, layer: str, call: SdpaCall, step: Step) -> InFlight:
        """A call of the host at that layer, for controls to act on.

        Raises `UnsupportedModelError` if it is not shaped as the model's inputs let expect.
        """
        height, width, image, text = self._place(layer, step)
        positions, pixels = call.query.shape[2], step.frames * height * width
        if layer in self._joint:
            there = max(image.stop, text.stop) <= positions == call.key.shape[2]
        else:
            there = positions == pixels
        if not there:
            of_frames = f"{step.frames} frames of " if step.frames > 1 else ""
            also = f" and {step.tokens} text tokens" if layer in self._joint else ""
            raise UnsupportedModelError(
                f"{layer} attends from {positions} positions where {of_frames}{height} × {width} "
                f"pixels{also} were expected for a latent of {step.height} × {step.width}."
            )
        return InFlight(call, image)

    def attend(self, layer: str, in_flight: InFlight, step: Step) -> None:
        """Show a call to the controls that act at its sites, in order."""
        height, width, image, text = self._place(layer, step)
        for control, site in self.acting.pop(layer):
            attention = Attention(in_flight, text if site.kind == "cross" else image)
            control.attend(LayerCall(site, step, height, width, attention.tokens), attention)

    def _place(self, layer: str, step: Step) -> tuple[int, int, slice, slice]:
        """A layer's grid (height, width), and where image and text stand in its sequence.

        Where the text is not in one sequence with the image, each has its own.
        """
        if (place := self._places.get(layer)) is None:
            height, width = self._wanted[layer][0][1].grid(step.height, step.width)
            image = text = ALL
            if layer in self._joint:
                pixels = step.frames * height * width
                image, text = self._family.stretches(pixels, step.tokens)
            place = self._places[layer] = height, width, image, text
        return place
