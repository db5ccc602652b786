"""The command `crossattn models`: what can be drawn with right away."""

from crossattn.ui import options as opt
from crossattn.ui.show import add_row, print_json, show, table


def models(as_json: opt.Json = False) -> None:
    """List the models at hand, and what emoji-sd knows to draw.

    emoji-sd ships with crossattn; the others are those of the hub that lie in the cache.

    \b
    [dim]crossattn models
    crossattn generate "a cat" --model owner/name[/dim]
    """
    from crossattn.pipelines.emoji_sd import vocabulary
    from crossattn.pipelines.hub import LocalModel, cached_models
    from crossattn.pipelines.load import EMBEDDED, find_model

    listed = [LocalModel(EMBEDDED, None, find_model(EMBEDDED).folder), *cached_models()]
    kinds = ["ships", *["hub cache"] * (len(listed) - 1)]
    if as_json:
        print_json(
            {
                "models": [
                    {
                        "name": one.name,
                        "kind": kind,
                        "revision": one.revision,
                        "path": str(one.folder),
                    }
                    for one, kind in zip(listed, kinds, strict=True)
                ],
                "vocabulary": vocabulary(),
            }
        )
        return
    rows = table("model", "where from", "revision")
    for one, kind in zip(listed, kinds, strict=True):
        add_row(rows, one.name, kind, (one.revision or "")[:12])
    show(rows)
    known = table(EMBEDDED, "draws")
    for kind, phrases in vocabulary().items():
        add_row(known, kind, ", ".join(phrases))
    show(known)
