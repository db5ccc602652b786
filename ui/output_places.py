"""Where a command writes: what --output names, looked at before the work."""

from pathlib import Path

from crossattn.errors import InputError

OTHER_PICTURES = (".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def picture_path(output: Path | None, name: str) -> Path:
    """The .png that --output names, or `name`.png in the folder that it names (out if none).

    Raises InputError if it is another kind of picture, or cannot be written: before the work.
    """
    from crossattn.pipelines.files import check_place

    where = output or Path("out")
    if where.suffix.lower() in OTHER_PICTURES:
        raise InputError(
            f"{where} is not a PNG, which a recipe can travel in; name it "
            f"{where.with_suffix('.png').name}, or give a folder."
        )
    path = where if where.suffix.lower() == ".png" else where / f"{name}.png"
    check_place(path)
    return path


def folder_path(output: Path | None, name: str) -> Path:
    """The folder that --output names, or `name` in the folder out (or in `.`, `..`, the root).

    Raises InputError if it is named like a picture, or cannot be written: before the work.
    """
    from crossattn.pipelines.files import check_place, has_name

    path = output or Path("out")
    if output is None or not has_name(output):
        path /= name
    if path.suffix.lower() in (".png", *OTHER_PICTURES):
        raise InputError(f"{path} is named like a picture, but many files come; give a folder.")
    check_place(path, folder=True)
    return path
