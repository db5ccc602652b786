"""What is written into a prompt is read back as it was meant, in every dialect."""

from dataclasses import replace

from any_prompt import DIALECTS, prompts
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.dialects import Dialect
from crossattn.lora_tags import LoraTag
from crossattn.notations import refuse_notations
from crossattn.prompt_schedule import Part, changes, parts
from crossattn.weight_syntax import checked_weight, parse_weights
from crossattn.weight_writing import format_weights
from crossattn.word_spans import find_words


@settings(deadline=None)
@given(prompts, st.data(), st.sampled_from(DIALECTS))
def test_what_is_written_is_read_back_in_every_dialect(
    text: str, data: st.DataObject, dialect: Dialect
) -> None:
    weighted = [(*span, data.draw(st.floats(-10, 10))) for span in find_words(text)]
    source = format_weights(text, weighted)
    refuse_notations(source)
    assert parts(source) == (Part(source),)
    assert not changes(source)
    read = parse_weights(source, dialect)
    assert read.text == text
    for start, end, weight in weighted:
        assert read.weights[start:end] == (checked_weight(weight, "word"),) * (end - start)


def test_breaks_are_written_again() -> None:
    read = parse_weights("a (cat:1.5) BREAK BREAK a (dog:0.5)")
    spans = [(*span, read.weights[span[0]]) for span in find_words(read.text)]
    assert format_weights(read.text, spans, read.breaks) == "a (cat:1.5) BREAK BREAK a (dog:0.5)"


@settings(deadline=None)
@given(prompts, st.data(), st.sampled_from(DIALECTS))
def test_loras_are_no_text_and_are_written_again(
    text: str, data: st.DataObject, dialect: Dialect
) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
    loras = [LoraTag("ink", 0.5, 1, at) for at in places]
    weighted = [(*span, data.draw(st.sampled_from([1, 1.3]))) for span in find_words(text)]
    source = format_weights(text, weighted, loras=loras)
    read = parse_weights(source, dialect)
    assert read.text == text
    assert [replace(tag, at=0) for tag in read.loras] == [replace(tag, at=0) for tag in loras]
    for start, end, weight in weighted:
        assert read.weights[start:end] == (weight,) * (end - start)


def test_a_prompt_without_weights_is_written_as_it_stands() -> None:
    text = "a red-haired cat, 1.5 m tall - 100% \N{EM DASH} 猫 🎈!"
    assert format_weights(text, [(*span, 1.0) for span in find_words(text)]) == text


def test_signs_behind_an_emoji_stay_signs() -> None:
    assert parse_weights(format_weights("a \N{BALLOON}++ pops", ()), "compel").text == (
        "a \N{BALLOON}++ pops"
    )
