"""Loading looks for no garbage; everything else does as before."""

import gc
import weakref

from crossattn.ui.loading import uncollected


class Node:
    """Something that can hold itself."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_left_while_loading_and_collected_afterwards() -> None:
    frozen = gc.get_freeze_count()
    with uncollected() as loaded:
        assert not gc.isenabled()
        early = weakref.ref(Node())
        loaded()
        assert gc.isenabled()
        late = weakref.ref(Node())
        gc.collect()
        assert early() is not None
        assert late() is None
    gc.collect()
    assert early() is None
    assert gc.get_freeze_count() == frozen


def test_collecting_goes_on_after_a_fault_while_loading() -> None:
    try:
        with uncollected():
            raise RuntimeError
    except RuntimeError:
        assert gc.isenabled()
