from typing import Any

from crossattn.pipelines.edit import Source, keep_source
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.drawing import Sources


def test_a_kept_source_serves_every_edit_of_its_picture_and_no_other(sd_pipe: Any) -> None:
    held = [{"word": word, "mask": ["#."]} for word in ("car", "dog")]
    asked = Recipe(prompt="a red car", steps=2, edit={"prompt": "a red dog"}, regions=held)
    *_, source = keep_source(asked, pipe=sd_pipe)
    assert isinstance(source, Source)
    sources = Sources()
    assert sources.of(asked) is None
    sources.keep(source)
    assert sources.of(asked) is source
    # The dog and its region are of the target alone.
    assert sources.of(asked.replace(edit={"prompt": "a blue car"}, regions=held[:1])) is source
    assert sources.of(asked.replace(regions=held[1:])) is None
    assert sources.of(asked.replace(seed=1)) is None
    assert sources.of(asked.replace(dialect="a1111")) is None
