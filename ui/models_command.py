"""The command `crossattn models`: what can be drawn with right away."""

from crossattn.ui import options as opt
from crossattn.ui.show import add_row, print_json, show, table


def models(as_json: opt.Json = False) -> None:
    """List the models at hand, and what those that ship know to draw.

    emoji-sd (a UNet) and emoji-sd3 (a transformer) ship with crossattn; the others are those of the
    hub that lie in the cache.

    \b
    [dim]crossattn models
    crossattn generate "a cat" --model owner/name[/dim]
    """
    from crossattn.pipelines.emoji_sd import vocabulary
    from crossattn.pipelines.hub import LocalModel, cached_models
    from crossattn.pipelines.shipped import SHIPPED

    ours = [LocalModel(name, None, model.folder) for name, model in SHIPPED.items()]
    listed = [*ours, *cached_models()]
    kinds = ["ships" if one in ours else "hub cache" for one in listed]
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
    known = table(" and ".join(SHIPPED), "draw")
    for kind, phrases in vocabulary().items():
        add_row(known, kind, ", ".join(phrases))
    show(known)
