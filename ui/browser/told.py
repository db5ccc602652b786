"""What goes wrong in an event, as a sentence that reaches the person."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
import torch

from crossattn.errors import CrossattnError


@contextmanager
def told() -> Iterator[None]:
    """Turn what goes wrong into a sentence that reaches the person."""
    try:
        yield
    except CrossattnError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise gr.Error(
            "There is not enough memory for this picture; choose a smaller size or fewer steps.",
            print_exception=False,
        ) from error
    except gr.Error:
        raise
    except Exception as error:
        logging.getLogger(__name__).exception("a run failed")
        raise gr.Error(
            "Something failed here that is not your doing; the terminal where the page was "
            "started says what. Try again.",
            print_exception=False,
        ) from error
