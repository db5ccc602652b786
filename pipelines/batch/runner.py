"""Running a batch: what is missing is made, what is made counts once, what fails is tried again."""

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crossattn.errors import InputError
from crossattn.pipelines.batch.engine import Engine, Here, Local
from crossattn.pipelines.batch.folder import BatchFolder, Shard
from crossattn.pipelines.batch.grouping import grouped
from crossattn.pipelines.batch.manifest import Record
from crossattn.pipelines.batch.plan import Item, Plan, make_plan
from crossattn.pipelines.batch.render import Attempt, ModelRenderer, Renderer
from crossattn.pipelines.batch.report import write_reports
from crossattn.pipelines.batch.rows import Row
from crossattn.pipelines.recipe import Recipe

if TYPE_CHECKING:
    from PIL import Image

TRIES = 3
"""Times that an item is tried, at most, before it is set aside."""

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class BatchResult:
    """What became of one item: its files and facts, or an error.

    `record` is its line of the manifest. `earlier` says that a run before this one made it.
    """

    item: Item
    record: Record
    earlier: bool = False
    folder: Path | None = None
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        """The name of its files."""
        return self.item.id

    @property
    def error(self) -> str | None:
        """Why there is no picture, in words; None if there is one."""
        error: str | None = self.record.get("error")
        return error

    @property
    def recipe(self) -> Recipe:
        """The recipe, with every choice filled in if the picture was made."""
        return Recipe(**self.record.get("recipe", {})) if not self.error else self.item.recipe

    @property
    def cover(self) -> dict[str, float]:
        """How much of the picture each word of the prompt covers (0 to 1), `dog#2` the second."""
        words = self.record.get("words", ())
        return {text if n == 1 else f"{text}#{n}": cover for text, n, cover in words}

    @property
    def image(self) -> "Image.Image":
        """The picture; raises InputError if there is none."""
        from PIL import Image

        return Image.open(BytesIO(self.read("picture.png")))

    def read(self, name: str) -> bytes:
        """Return the bytes of one of its files, such as "picture.png"; InputError if not there."""
        if name in self.files:
            return self.files[name]
        place: str | None = self.record.get("files", {}).get(name)
        if place is None or self.folder is None:
            raise InputError(f"{self.id} has no {name}: {self.error or 'it was not asked for'}.")
        return (self.folder / place).read_bytes()


def run_batch(
    plan: Plan | Iterable[Row | Recipe | Mapping[str, Any]],
    *,
    output: str | Path | None = None,
    engine: EngineName = "local",
    workers: int = 0,
    shard: Shard | None = None,
    trace: bool = False,
    timeout: float = 3600.0,
    render: Renderer | None = None,
) -> Iterator[BatchResult]:
    """Make every picture of a plan, and give each as it finishes; those made before come first.

    With `output`, a folder, results are kept there and the same call goes on where it stopped;
    without, they are only given. `workers` is the number of processes beside this one; with 0 the
    work is done here (a script that asks for more needs `if __name__ == "__main__":`). `shard` is
    the part of the plan to do; the reports are written by a run without one. `trace` keeps the
    record of attention as well. A picture that takes over `timeout` seconds in a worker has failed;
    one that fails three times is set aside with its error, and tried anew by the next run; if its
    recipe is at fault it is set aside as soon as it was tried alone.

    Raises InputError if the folder cannot be used, is in use, or was begun with another plan;
    ModelLoadError if a model is not there. Closing the iterator stops the work.
    """
    plan = plan if isinstance(plan, Plan) else make_plan(plan)
    render = render or ModelRenderer(trace=trace)
    with ExitStack() as stack:
        folder = None
        if output is not None:
            made_with = render.made_with(item.recipe for item in plan)
            folder = stack.enter_context(BatchFolder(Path(output), plan, made_with, shard))
        done = set(folder.records.done) if folder else set()
        groups = groups_of(plan, shard)
        wanted = {item.id: item for group in groups for item in group}
        for name in [name for name in wanted if name in done]:
            assert folder
            record = folder.records[name]
            yield BatchResult(wanted.pop(name), record, earlier=True, folder=folder.path)
        groups = _only(groups, wanted)
        if groups:
            worker = start_engine(engine, render, workers, timeout)
            stack.callback(worker.close)
            yield from _work(worker, groups, folder)
        if folder and shard is None:
            folder.gather()
            write_reports(folder.path, plan, folder.records)


def groups_of(plan: Plan, shard: Shard | None = None) -> list[list[Item]]:
    """Return the items of a plan, or of one part of it, in the groups that workers are given."""
    groups = grouped(plan)
    return groups[shard.number - 1 :: shard.count] if shard else groups


def start_engine(name: EngineName, render: Renderer, workers: int, timeout: float) -> Engine:
    """Return the engine of a name, ready to work; raises InputError if it is not installed."""
    if name == "ray":
        from crossattn.pipelines.batch.on_ray import OnRay

        return OnRay(render, max(workers, 1), timeout)
    if workers == 0:
        return Here(render)
    return Local(render, workers, timeout)


def _work(
    engine: Engine, groups: list[list[Item]], folder: BatchFolder | None
) -> Iterator[BatchResult]:
    items = {item.id: item for group in groups for item in group}
    for tries in range(1, TRIES + 1):
        for tried in engine.run(groups):
            # An engine may do a thing twice; the second time it is no longer asked for.
            if tried.id in items and (tried.rendering or tried.final or tries == TRIES):
                yield _kept(items.pop(tried.id), tried, tries, folder)
        # Apart, so that one that takes its worker down takes no other with it again.
        groups = [[item] for item in items.values()]


def _kept(item: Item, tried: Attempt, tries: int, folder: BatchFolder | None) -> BatchResult:
    """Write down what became of an item after so many tries, if there is a folder."""
    record: Record = {"id": item.id, "status": "done" if tried.rendering else "failed"}
    files: dict[str, bytes] = {}
    if tried.rendering is None:
        record |= {"error": tried.error, "tries": tries}
    else:
        files = tried.rendering.files
        record |= {
            "files": {name: _place(item, name) for name in files},
            "sizes": {name: len(data) for name, data in files.items()},
            **tried.rendering.facts,
        }
    if folder is None:
        return BatchResult(item, record, files=files)
    folder.add(record, {_place(item, name): data for name, data in files.items()})
    return BatchResult(item, record, folder=folder.path)


def _place(item: Item, name: str) -> str:
    kind, dot, suffix = name.partition(".")
    return f"{kind}s/{item.id}{dot}{suffix}"


def _only(groups: list[list[Item]], wanted: Container[str]) -> list[list[Item]]:
    left = ([item for item in group if item.id in wanted] for group in groups)
    return [group for group in left if group]
