"""Batches: a plan of many recipes in; pictures, traces, a table and a page out, whatever happens.

>>> from crossattn.pipelines.batch import run_batch
>>> plan = [{"prompt": "a red car on grass", "seeds": "0..7"}]
>>> for result in run_batch(plan, output="out"):  # doctest: +SKIP
...     print(result.id, result.cover)
"""

from crossattn.pipelines.batch.folder import Shard
from crossattn.pipelines.batch.pie_bench import Pair, read_pairs
from crossattn.pipelines.batch.plan import Item, Plan, make_plan, read_plan
from crossattn.pipelines.batch.render import ModelRenderer, Renderer, Rendering
from crossattn.pipelines.batch.runner import BatchResult, groups_of, run_batch

__all__ = [
    "BatchResult",
    "Item",
    "ModelRenderer",
    "Pair",
    "Plan",
    "Renderer",
    "Rendering",
    "Shard",
    "groups_of",
    "make_plan",
    "read_pairs",
    "read_plan",
    "run_batch",
]
