"""What controls are built from: the prompts that are edited, and where their words stand."""

from crossattn.controls.support.edit_source import edited_prompts
from crossattn.controls.support.token_positions import positions_by_prompt

__all__ = ["edited_prompts", "positions_by_prompt"]
