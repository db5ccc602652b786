"""Loading models and libraries without looking for garbage on the way."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[Callable[[], None]]:
    """Keep Python from collecting garbage until the function that this gives is called.

    Loading torch, diffusers and a model makes half a million objects, all of which stay; going
    through them again and again took an eighth of a first picture's processor time. From the call
    on, garbage is looked for among what comes later alone, and at the end among everything.
    """

    def loaded() -> None:
        if not gc.isenabled():
            gc.freeze()
            gc.enable()

    gc.disable()
    try:
        yield loaded
    finally:
        gc.unfreeze()
        gc.enable()
