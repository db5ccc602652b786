import threading
from contextlib import ExitStack

import pytest

from crossattn.ui.browser.model_queue import Queue, QueueFullError


def test_who_comes_first_is_served_first_and_the_others_are_told_how_many_are_ahead() -> None:
    queue = Queue(3)
    with queue.place() as first:
        with queue.place() as second, queue.place() as third:
            assert [one.wait(0.01) for one in (first, second, third)] == [0, 1, 2]
        with queue.place() as fourth:
            assert fourth.wait(0.01) == 1
    with queue.place() as fifth:
        assert fifth.wait(0.01) == 0


def test_whoever_comes_to_a_full_queue_is_told_so() -> None:
    queue = Queue(2)
    with queue.place(), queue.place(), pytest.raises(QueueFullError, match="Too many people"):
        queue.place().__enter__()
    with queue.place() as ticket:
        assert ticket.ahead == 0


def test_a_waiting_person_hears_at_once_that_it_is_their_turn() -> None:
    queue = Queue(2)
    heard: list[int] = []
    with ExitStack() as first:
        first.enter_context(queue.place())
        with queue.place() as second:
            waits = threading.Thread(target=lambda: heard.append(second.wait(60)))
            waits.start()
            first.close()
            waits.join(10)
    assert heard == [0]
