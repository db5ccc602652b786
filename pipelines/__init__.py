"""Recipes in, results out: loading models, generating, editing, batches.

>>> from crossattn.pipelines.recipe import Recipe
>>> from crossattn.pipelines.run import run
>>> *steps, result = run(Recipe(prompt="a red car on grass", seed=7))  # doctest: +SKIP
>>> result.trace["car"].overlay(result.image)  # doctest: +SKIP
"""
