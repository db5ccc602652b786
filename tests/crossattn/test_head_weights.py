"""A mean in which heads count by their part in what the layer gives."""

from typing import Any

import torch
from tiny_pictures import run

from crossattn import Attention, Control, LayerCall, Recorder, attach

PROMPT = "a red car left of a blue balloon on grass"


def test_heads_weigh_by_their_part_in_what_a_layer_gives(sd_pipe: Any) -> None:
    expected: dict[str, torch.Tensor] = {}

    class Spy(Control):
        def attend(self, call: LayerCall, attention: Attention) -> None:
            row = call.step.rows.positive[0]
            query, key, value = (
                each[row].double() for each in (attention.query, attention.key, attention.value)
            )
            probs = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
            project = modules[call.site].to_out[0].weight.double()
            parts = project.unflatten(1, (len(query), -1)).permute(1, 2, 0)  # (heads, width, out)
            said = probs @ value @ parts
            agreed = (said * said.sum(0)).sum((1, 2)).clamp(min=0)
            map_ = (probs * (agreed / agreed.sum())[:, None, None]).sum(0)
            expected[call.site.name] = expected.get(call.site.name, 0) + map_

    recorder = Recorder(heads="weighed")
    plain = run(sd_pipe, PROMPT)
    with attach(sd_pipe, Spy(), recorder, prompt=PROMPT) as session:
        modules = session.modules
        assert torch.equal(run(sd_pipe, PROMPT), plain)
    for site in recorder.trace.view.sites:
        sums = recorder.trace.view.record.maps["positive", site.name][0, 0, 0].double()
        torch.testing.assert_close(
            sums, expected[site.name][:, : sums.shape[1]], rtol=1e-4, atol=1e-6
        )
    with attach(sd_pipe, averaged := Recorder(), prompt=PROMPT):
        run(sd_pipe, PROMPT)
    assert not torch.allclose(recorder.trace["car"].data, averaged.trace["car"].data)
