"""A network with its tokenizer turns prompts into texts."""

import pytest
from small_networks import build
from tokenizers import Tokenizer

from qwen_pl.data.tokens.tokenizer import train_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling
from qwen_pl.generation.writer import Writer, samples_of
from qwen_pl.qwen_tokenizer import END_OF_TEXT

PROMPTS = ["low lower", "é", "the lowest of all lower things", "", "x\ny"]
FREE = Sampling(max_new_tokens=24, temperature=1.4, top_k=0, top_p=1, seed=11)
GREEDY = Sampling(max_new_tokens=24, temperature=0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["low lower lowest naïve, the end of all. "] * 9, vocab_size=280)


@pytest.fixture(scope="module")
def writer(tokenizer) -> Writer:
    network = build(vocab_size=320, max_position_embeddings=32, initializer_range=0.1)
    return Writer(network.eval(), tokenizer, max_batch_size=3)


@pytest.mark.parametrize("sampling", [GREEDY, FREE], ids=["greedy", "sampled"])
def test_a_batch_of_prompts_gives_what_each_gives_alone(writer, sampling) -> None:
    together = writer.write(PROMPTS, sampling)
    assert [completion.prompt for completion in together] == PROMPTS
    assert together == [writer.write([prompt], sampling)[0] for prompt in PROMPTS]
    assert [completion.text for completion in together] == [
        "".join(writer.stream(prompt, sampling)) for prompt in PROMPTS
    ]
    assert len({completion.text for completion in together}) == len(PROMPTS)


def test_samples_differ_and_the_first_is_that_of_one(writer) -> None:
    completions = writer.write(["low", "é"], FREE, num_samples=3)
    assert [completion.prompt for completion in completions] == ["low"] * 3 + ["é"] * 3
    texts = [completion.text for completion in completions]
    assert len(set(texts)) == 6
    assert texts[0] == writer.write(["low"], FREE)[0].text
    assert texts[:3] == [writer.write(["low"], s)[0].text for s in samples_of(FREE, 3)]


def test_a_stream_is_cut_before_a_stop_string_and_never_shows_a_part_of_it(writer) -> None:
    whole = "".join(writer.stream("low", FREE))
    stop = whole[7:12]
    expected = whole[: whole.index(stop)]
    sampling = Sampling(**vars(FREE) | {"stop": (stop,)})
    shown = ""
    for piece in writer.stream("low", sampling):
        shown += piece
        assert expected.startswith(shown)
    [completion] = writer.write(["low"], sampling)
    assert shown == completion.text == expected
    assert completion.finish_reason == "stop"
    assert completion.num_tokens < 24


def test_characters_are_never_cut(writer) -> None:
    sampling = Sampling(**vars(FREE) | {"max_new_tokens": 300})
    pieces = list(writer.stream("low", sampling))
    assert "".join(pieces) == writer.write(["low"], sampling)[0].text
    assert any(not piece.isascii() for piece in pieces)


def test_a_completion_tells_its_tokens_and_why_it_ended(writer, tokenizer) -> None:
    [completion] = writer.write(["low lower"], GREEDY)
    assert completion.num_prompt_tokens == len(tokenizer.encode("low lower").ids)
    assert (completion.num_tokens, completion.finish_reason) == (24, "length")


def test_an_empty_prompt_is_the_start_of_a_document(writer) -> None:
    assert writer.encode("") == writer.encode(END_OF_TEXT)


def test_it_knows_the_end_tokens_of_documents_and_of_chats(writer, tokenizer) -> None:
    assert writer.stop_ids == {tokenizer.token_to_id(END_OF_TEXT), 279}
    assert tokenizer.id_to_token(279) == "<|im_end|>"
    assert writer.engine().stop_ids == writer.stop_ids


def test_half_a_character_is_refused_at_once(writer) -> None:
    with pytest.raises(InputError, match="half a character"):
        writer.stream("a\udcff")


def test_num_samples_is_at_least_one(writer) -> None:
    with pytest.raises(InputError, match="num_samples is 0"):
        writer.write(["low"], GREEDY, num_samples=0)
