"""Serving the page, safely: this machine alone unless there is a password."""

import errno
import ipaddress
import os
import signal
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import NoReturn

# Gradio asks two hosts for its own statistics unless it is told before it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from crossattn.errors import CrossattnError, InputError
from crossattn.pipelines.hub import cached_models
from crossattn.pipelines.load import EMBEDDED, find_model
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.shipped import SHIPPED
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models, share_memory
from crossattn.ui.browser.folders import NONE, Folders
from crossattn.ui.browser.header_panel import LARGEST_UPLOAD
from crossattn.ui.browser.page import AT_ONCE, build_page
from crossattn.ui.browser.parts import ROUTE, STATIC, head
from crossattn.ui.browser.shelf import Shelf
from crossattn.ui.browser.theme import theme

SESSIONS = 64
PAGE_FIRST = 2.0
"""Seconds that a model waits to be loaded, so that a page that is opened at once comes first."""


def models_offered(model: str) -> dict[str, str]:
    """Models that the page offers, names in recipes to names shown: `model`, ours, the hub's."""
    names = [model, *SHIPPED, *(one.name for one in cached_models())]
    offered = {}
    for name in dict.fromkeys(names):
        if name in SHIPPED and name != model and not SHIPPED[name].folder.is_dir():
            continue
        offered[name] = Path(name).name
    return offered


def serve(
    model: str = EMBEDDED,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    root_path: str | None = None,
    own_models: bool | None = None,
    folders: Folders = NONE,
    wait: bool = True,
) -> tuple[gr.Blocks, str]:
    """Serve the page and return it with its address; with `wait`, only once it is stopped.

    `auth` is (name, password); `root_path` is where a proxy has the page, such as /app, whether
    it takes that off or not. `own_models` says whether people may load others than are offered:
    folders and files of this machine, and the hub's; unless told, where nobody else can reach it.
    Prompts may ask for files of `folders`, by LoRA tags and by names of textual inversions.
    Raises `InputError` for a host other than this machine without a password, or a port that is
    taken, and `ModelLoadError` if there is no such model.
    """
    host = host.removeprefix("[").removesuffix("]")
    if not _is_this_machine(host) and auth is None:
        raise InputError(
            f"Listening on {host} lets others in, so a password is needed: add "
            "--auth name:password."
        )
    find_model(model)
    _check_port(host, port)
    share_memory()
    shelf = Shelf()
    models = Models()
    own = auth is None and root_path is None if own_models is None else own_models
    page = build_page(Bounds(models_offered(model), own, folders), shelf, models)
    page.queue(max_size=AT_ONCE, api_open=True)
    threading.Thread(target=_warm_up, args=(models, model), daemon=True).start()
    _, address, _ = page.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        auth=auth,
        root_path=root_path,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        max_file_size=LARGEST_UPLOAD,
        state_session_capacity=SESSIONS,
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=[],
        allowed_paths=[str(shelf.folder)],
        app_kwargs={"routes": [Route(f"{ROUTE}/{{name:path}}", _part)]},
        theme=theme(),
        head=head(),
    )
    if wait:
        print(f"crossattn is at {address} (Ctrl+C stops it)", flush=True)
        signal.signal(signal.SIGTERM, _stop)
        try:
            page.block_thread()
        finally:
            shelf.close()
    return page, address


_FILES = StaticFiles(directory=STATIC)


async def _part(request: Request) -> Response:
    # Not a Mount: behind a proxy that takes the root path off, that looks for files in the wrong
    # folder.
    return await _FILES.get_response(request.path_params["name"], request.scope)


def _stop(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_port(host: str, port: int) -> None:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"There is no address {host!r:.60}; give one of this machine with --host."
        ) from error
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise InputError(
                    f"{host} is not an address of this machine; give one with --host."
                ) from error
            raise InputError(
                f"Port {port} of {host} is taken or not to be had; choose another with --port."
            ) from error


def _warm_up(models: Models, model: str) -> None:
    # So that the first picture does not wait for the model; what is wrong is told with the first.
    try:
        models.tokenizers(model)
        time.sleep(PAGE_FIRST)
        models.load(Recipe(prompt="a car", model=model))
    except CrossattnError as error:
        warnings.warn(str(error), stacklevel=1)


def password(text: str) -> tuple[str, str]:
    """Read "name:password"; raises `InputError` if it is not of that form."""
    name, colon, secret = text.partition(":")
    if not (name and colon and secret):
        raise InputError("A name and a password are expected as name:password.")
    return name, secret
