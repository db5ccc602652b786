"""Words in the sequences of real tokenizer classes, with tiny vocabularies built here."""

import warnings
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTokenizer,
    GemmaTokenizer,
    PreTrainedTokenizerBase,
    Qwen2Tokenizer,
    T5Tokenizer,
)

from crossattn.errors import UnsupportedModelError
from crossattn.words import Prompt, PromptCutWarning, Word, read_prompt

BYTES = sorted(ByteLevel.alphabet())
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def merged(*words: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The pieces and merges that build each word up from the left."""
    merges = []
    for word in words:
        left, *rest = word
        for piece in rest:
            merges.append((left, piece))
            left += piece
    return [left + right for left, right in merges], merges


def clip(limit: int = 77) -> CLIPTokenizer:
    pieces, merges = merged(["c", "a", "t</w>"], ["b", "a", "l"], ["o", "o", "n</w>"])
    ((laugh, _),) = ByteLevel(add_prefix_space=False).pre_tokenize_str("😂")
    laugh_pieces, laugh_merges = merged(laugh, [laugh[:3], laugh[3] + "</w>"])
    pieces += [*laugh_pieces, laugh + laugh + "</w>"]
    merges += [*laugh_merges, (laugh, laugh + "</w>")]
    vocab = [*BYTES, *(byte + "</w>" for byte in BYTES), *pieces]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    ids = {piece: number for number, piece in enumerate(dict.fromkeys(vocab))}
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=limit)


def t5() -> T5Tokenizer:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -5.0) for letter in LETTERS] + [("▁cat", -3.0), ("ting", -3.0)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def gemma() -> GemmaTokenizer:
    pieces, merges = merged("▁cat")
    vocab = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS, *pieces]
    ids = {piece: number for number, piece in enumerate(vocab)}
    return GemmaTokenizer(vocab=ids, merges=merges, model_max_length=512)


def qwen() -> Qwen2Tokenizer:
    pieces, merges = merged("Ġcat")
    ids = {piece: number for number, piece in enumerate(["<|endoftext|>", *BYTES, *pieces])}
    return Qwen2Tokenizer(vocab=ids, merges=merges, model_max_length=512)


TOKENIZERS: dict[str, PreTrainedTokenizerBase] = {
    "clip": clip(),
    "t5": t5(),
    "gemma": gemma(),
    "qwen": qwen(),
}
SNIPPETS = ["Cat's ", "balloon", "sitting", " ", "  ", ", ", "\n", "é", "e\u0301", "İ", "ß", "12"]
SNIPPETS += [
    "👨‍👩‍👧",
    "😂",
    "❤️",
    "🇩🇪",
    "红色",
    "ねこ",
    "\u202e",
    "각",
    "\u0301",
    "<|endoftext|>",
    "-",
]
plain_text = st.lists(
    st.sampled_from(SNIPPETS) | st.characters(exclude_categories=["Cc", "Cs"]), max_size=20
).map("".join)


def pieces_of(prompt: Prompt, word: Word, encoder: int = 0) -> list[str]:
    return [prompt.encodings[encoder].tokens[index].text for index in word.tokens[encoder]]


def test_each_word_has_its_tokens_in_each_encoder() -> None:
    prompt = read_prompt("A (cat:1.2), Balloon", {"clip": clip(), "t5": t5()})
    assert [encoding.name for encoding in prompt.encodings] == ["clip", "t5"]
    assert [word.tokens for word in prompt.words] == [
        ((1,), (0, 1)),
        ((2,), (2,)),
        ((4, 5, 6), (4, 5, 6, 7, 8, 9, 10, 11)),
    ]
    assert pieces_of(prompt, prompt.word("balloon")) == ["Bal", "l", "oon"]
    start, *_, end = prompt.encodings[0].tokens
    assert (start.index, start.text, start.word) == (0, "<|startoftext|>", None)
    assert (end.index, end.text, end.word) == (7, "<|endoftext|>", None)
    comma = prompt.encodings[0].tokens[3]
    assert (comma.text, comma.word) == (",", None)


@pytest.mark.parametrize(
    ("text", "asked", "count"),
    [
        ("the cat's tail", "cat's", 3),
        ("12 cat", "12", 2),
        ("CAT", "cat", 1),
        ("caf\u00e9", "caf\u00e9", 4),
        ("cafe\u0301", "caf\u00e9", 4),
        ("a  \t cat", "cat", 1),
        ("İ cat", "İ", 3),
        ("❤️ cat", "❤️", 6),
        ("<|endoftext|> cat", "endoftext", 1),
    ],
)
def test_clip_reads_a_word_as_one_or_several_tokens(text: str, asked: str, count: int) -> None:
    assert len(read_prompt(text, {"clip": clip()}).word(asked).tokens[0]) == count


def test_words_that_share_a_token_are_one_word() -> None:
    assert [word.text for word in read_prompt("😂😂 😂cat").words] == ["😂", "😂", "😂", "cat"]
    prompt = read_prompt("😂😂 😂cat", {"clip": clip()})
    assert [word.text for word in prompt.words] == ["😂😂", "😂", "cat"]
    assert prompt.words[0].tokens == ((1,),)
    assert prompt.word("😂", 2) == prompt.words[1]

    unknown = read_prompt("(红:1.3)色 cat", {"t5": t5()})
    assert [(word.text, word.weight) for word in unknown.words] == [("红色", 1.3), ("cat", 1.0)]
    assert unknown.phrase("红色") == unknown.phrase("色") == unknown.words[:1]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None)
@given(text=plain_text)
def test_tokens_belong_to_at_most_one_word_and_no_word_goes_without(name: str, text: str) -> None:
    tokenizer = TOKENIZERS[name]
    prompt = read_prompt(text, {name: tokenizer}, {name: 512}, syntax=False)
    (encoding,) = prompt.encodings
    assert [token.id for token in encoding.tokens] == tokenizer(text)["input_ids"]
    assert [token.index for token in encoding.tokens] == list(range(len(encoding.tokens)))
    for position, word in enumerate(prompt.words):
        assert word.tokens[0]
        assert word.tokens[0] == tuple(
            token.index for token in encoding.tokens if token.word == position
        )
    for token in encoding.tokens:
        if token.word is None:
            assert not any(c.isalnum() for c in token.text) or token.text.startswith("<")


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None)
@given(text=plain_text, limit=st.integers(2, 30))
def test_a_prompt_over_the_limit_is_cut_where_the_tokenizer_cuts(
    name: str, text: str, limit: int
) -> None:
    tokenizer = TOKENIZERS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptCutWarning)
        prompt = read_prompt(text, {name: tokenizer}, {name: limit}, syntax=False)
    cut = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
    assert [token.id for token in prompt.encodings[0].tokens] == cut
    assert all(word.tokens[0] or word in prompt.dropped for word in prompt.words)


def test_words_past_the_limit_are_named_in_a_warning() -> None:
    with pytest.warns(PromptCutWarning) as caught:
        prompt = read_prompt("a cat, balloon cat", {"clip": clip(limit=7), "clip-2": clip()})
    assert [str(warning.message) for warning in caught] == [
        'The encoder "clip" reads 7 tokens and the prompt has 9: "balloon" in part, "cat" fell '
        "off the end; shorten the prompt."
    ]
    assert [word.text for word in prompt.dropped] == ["balloon", "cat"]
    assert prompt.word("cat", 2).tokens == ((), (7,))
    assert [len(encoding.tokens) for encoding in prompt.encodings] == [7, 9]
    assert [encoding.limit for encoding in prompt.encodings] == [7, 77]


def test_a_prompt_that_just_fits_gives_no_warning() -> None:
    prompt = read_prompt("cat " * 75, {"clip": clip()})
    assert (len(prompt.encodings[0].tokens), prompt.dropped) == (77, ())


@pytest.mark.parametrize(
    ("build", "count"), [(clip, 2), (t5, 1), (gemma, 0), (qwen, 0)], ids=list(TOKENIZERS)
)
def test_an_empty_prompt_has_only_special_tokens(
    build: Callable[[], PreTrainedTokenizerBase], count: int
) -> None:
    prompt = read_prompt("", {"encoder": build()})
    tokens = prompt.encodings[0].tokens
    assert len(tokens) == count
    assert all(token.word is None for token in tokens)


def test_an_embedding_of_several_vectors_takes_all_its_tokens() -> None:
    tokenizer = clip()
    tokenizer.add_tokens(["<toy>", "<toy>_1", "<toy>_2"])
    prompt = read_prompt("a <toy> cat", {"clip": tokenizer})
    assert [word.tokens[0] for word in prompt.words] == [(1,), (2, 3, 4), (5,)]
    expanded = tokenizer("a <toy> <toy>_1 <toy>_2 cat")["input_ids"]
    assert [token.id for token in prompt.encodings[0].tokens] == expanded


def test_a_tokenizer_without_offsets_is_refused() -> None:
    slow = SimpleNamespace(is_fast=False)
    with pytest.raises(UnsupportedModelError, match='tokenizer of "clip", SimpleNamespace'):
        read_prompt("a cat", {"clip": slow})  # type: ignore[dict-item]
