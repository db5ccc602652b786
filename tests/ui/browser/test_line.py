import threading
from contextlib import ExitStack

import pytest

from crossattn.ui.browser.line import Line, LineFullError


def test_who_comes_first_is_served_first_and_the_others_are_told_how_many_are_ahead() -> None:
    line = Line(3)
    with line.place() as first:
        with line.place() as second, line.place() as third:
            assert [one.wait(0.01) for one in (first, second, third)] == [0, 1, 2]
        with line.place() as fourth:
            assert fourth.wait(0.01) == 1
    with line.place() as fifth:
        assert fifth.wait(0.01) == 0


def test_whoever_comes_to_a_full_line_is_told_so() -> None:
    line = Line(2)
    with line.place(), line.place(), pytest.raises(LineFullError, match="Too many people"):
        line.place().__enter__()
    with line.place() as ticket:
        assert ticket.ahead == 0


def test_a_waiting_person_hears_at_once_that_it_is_their_turn() -> None:
    line = Line(2)
    heard: list[int] = []
    with ExitStack() as first:
        first.enter_context(line.place())
        with line.place() as second:
            waits = threading.Thread(target=lambda: heard.append(second.wait(60)))
            waits.start()
            first.close()
            waits.join(10)
    assert heard == [0]
