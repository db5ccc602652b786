"""What `crossattn explain --flow` shows: what each word is made of inside the text encoder."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossattn.ui.output_places import picture_path
from crossattn.ui.show import add_row, show, table

if TYPE_CHECKING:
    from crossattn.flow import Flow
    from crossattn.words import Prompt


def draw_flows(
    prompt: "Prompt", model: str, revision: str | None, config: str | None, output: Path | None
) -> list[tuple["Flow", Path]]:
    """Read the flow of a prompt in each text encoder of a model, and write its picture.

    Raises ModelLoadError as `load` does, and InputError if a picture cannot be written.
    """
    from crossattn.flow import read_flows
    from crossattn.pipelines.files import slug, write_file
    from crossattn.pipelines.flow_picture import flow_picture
    from crossattn.pipelines.load import load

    place = picture_path(output, f"{slug(prompt.text)}-flow")
    flows = read_flows(load(model, revision=revision, config=config), [prompt])
    drawn = []
    for flow in flows:
        path = place.with_stem(f"{place.stem}-{flow.encoder}") if len(flows) > 1 else place
        file = BytesIO()
        flow_picture(flow).save(file, "PNG")
        drawn.append((flow, write_file(path, file.getvalue())))
    return drawn


def flow_json(drawn: "list[tuple[Flow, Path]]") -> list[dict[str, Any]]:
    """Flows as JSON: by encoder, the words, and for each its shares of the start and each word."""
    return [
        {
            "encoder": flow.encoder,
            "words": [flow.prompt.words[index].text for index in flow.read],
            "shares": flow.words().tolist(),
            "image": str(path),
        }
        for flow, path in drawn
    ]


def show_flows(drawn: "list[tuple[Flow, Path]]") -> None:
    """Print, for each word, what it is made of, most first, and where the picture is."""
    for flow, path in drawn:
        names = [flow.prompt.words[index].text for index in flow.read]
        rows = table("word", "itself", "start token", "words before it", right=("itself",))
        rows.title = f"{flow.encoder}: what each word is made of"
        for number, shares in enumerate(flow.words().tolist()):
            start, *before = shares[: number + 1]
            made = sorted(zip(before, names, strict=False), reverse=True)
            parts = ", ".join(f"{name} {share:.0%}" for share, name in made[:4])
            add_row(rows, names[number], f"{shares[number + 1]:.0%}", f"{start:.0%}", parts)
        show(rows)
        print(path)
