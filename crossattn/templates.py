"""What pipelines put around a prompt before their language models read it."""

import inspect
from collections.abc import Callable
from typing import Any

from crossattn.family import Template


def qwen_template(pipe: Any) -> Template:
    before, behind = pipe.prompt_template_encode.split("{}")
    return Template(before, behind, (0, pipe.prompt_template_encode_start_idx))


def chat(thinking: bool) -> Callable[[Any], Template]:
    """A prompt as what a user says to a language model."""

    def template(pipe: Any) -> Template:
        chat = pipe.tokenizer.apply_chat_template(
            [{"role": "user", "content": "\0"}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
        return Template(*chat.split("\0"))

    return template


def flux2_template(pipe: Any) -> Template:
    """FLUX.2's: in klein a prompt alone, in the others behind what the system says."""
    if (system := getattr(pipe, "system_message", None)) is None:
        return chat(False)(pipe)
    said = [("system", system), ("user", "\0")]
    whole = pipe.tokenizer.apply_chat_template(
        [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said],
        add_generation_prompt=False,
        tokenize=False,
    )
    # The start token, which tokenizers put before every text by themselves.
    begin = getattr(pipe.tokenizer, "tokenizer", pipe.tokenizer).bos_token or ""
    return Template(*whole.removeprefix(begin).split("\0"))


def sana_template(pipe: Any) -> Template:
    """An instruction, of which the model is given the first token and the last."""
    asked = inspect.signature(type(pipe).__call__).parameters.get("complex_human_instruction")
    instruction = "\n".join(asked.default or ()) if asked else ""
    if not instruction:
        return Template()
    return Template(instruction, "", (1, len(pipe.tokenizer.encode(instruction)) - 1))


def lumina_template(pipe: Any) -> Template:
    return Template(f"{pipe.system_prompt} <Prompt Start> ")
