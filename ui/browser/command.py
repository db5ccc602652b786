"""`crossattn ui`: the page, from the command line."""

from typing import Annotated

import typer

from crossattn.errors import InputError
from crossattn.ui import options as opt
from crossattn.ui.loading import uncollected

EMBEDDED = "emoji-sd"


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 7860,
    host: Annotated[
        str, typer.Option(help="The address to listen at; other than this machine needs --auth.")
    ] = "127.0.0.1",
    model: opt.Model = EMBEDDED,
    loras: opt.Loras = None,
    embeddings: opt.Embeddings = None,
    auth: Annotated[
        str | None,
        typer.Option(help="name:password, asked of everybody.", show_default=False),
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(
            help="Where a proxy has the page, such as /app, whether it takes that off or not.",
            show_default=False,
        ),
    ] = None,
    own_models: Annotated[
        bool | None,
        typer.Option(
            "--own-models/--no-own-models",
            help="Whether people may load other models, by a folder or file of this machine or "
            "from the hub." + opt.by_default("only where --auth and --root-path are not given"),
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open the page: a hand on every word, in the browser.

    Only this machine can reach it, unless another --host is given, and then only with a password.

    \b
    [dim]crossattn ui
    crossattn ui --host 0.0.0.0 --port 8000 --auth anna:secret
    crossattn ui --root-path /app[/dim]
    """
    with uncollected() as loaded:
        try:
            from crossattn.ui.browser.folders import Folders
            from crossattn.ui.browser.serve import password, serve
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "gradio":
                raise
            raise InputError(
                "The page needs Gradio, which is not installed: pip install 'crossattn[ui]'."
            ) from error
        secret = password(auth) if auth else None
        folders = Folders(loras, embeddings)
        loaded()
        serve(
            model,
            host=host,
            port=port,
            auth=secret,
            root_path=root_path,
            own_models=own_models,
            folders=folders,
        )
