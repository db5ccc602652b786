"""Recipes in, results out: loading models, generating, editing, batches."""
