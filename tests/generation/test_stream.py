"""Text comes in whole characters, all of it up to a stop string, and none of that is ever shown."""

import random

import pytest
from published_tokenizers import ALL

from qwen_pl.any_tokenizer import any_word, going_on, prompt_ids, read_tokenizer
from qwen_pl.generation.writer import StopStrings, TextStream

TEXT = "Zoë naïvely ate 寿司 🍣🏳️‍🌈 — “c’est ça”, ﬁn. " * 3

SENTENCE = "It is a truth. It is universally acknowledged; END it is."


def decode_bytes(ids: list[int]) -> str:
    """A vocabulary of single bytes, and 256 for a special token that has no text."""
    return bytes(token for token in ids if token < 256).decode("utf-8", errors="replace")


def pieces(ids: list[int], decode=decode_bytes) -> list[str]:
    stream = TextStream(decode)
    return [*(stream.push(token) for token in ids), stream.flush()]


def test_no_character_is_ever_cut() -> None:
    written = pieces(list(TEXT.encode()))
    assert not any("\ufffd" in piece for piece in written)
    assert "".join(written) == TEXT


def test_a_character_comes_with_its_last_byte() -> None:
    assert pieces(list("a🍣b".encode())) == ["a", "", "", "", "🍣", "b", ""]


def test_tokens_that_cut_characters_anywhere_are_joined() -> None:
    data, generator = TEXT.encode(), random.Random(0)
    for _ in range(50):
        cuts = sorted(generator.sample(range(1, len(data)), 40))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

        def decode(ids: list[int], parts=parts) -> str:
            return b"".join(parts[token] for token in ids).decode("utf-8", errors="replace")

        written = pieces(list(range(len(parts))), decode)
        assert "".join(written) == TEXT
        assert not any("\ufffd" in piece for piece in written)


def test_bytes_that_are_no_text_come_as_a_decoder_shows_them() -> None:
    generator = random.Random(0)
    for _ in range(300):
        ids = [generator.choice([0x41, 0x80, 0xBF, 0xC3, 0xE2, 0xF0, 256]) for _ in range(40)]
        assert "".join(pieces(ids)) == decode_bytes(ids)


def test_a_character_left_incomplete_comes_with_the_flush() -> None:
    assert pieces([0x41, 0xE2, 0x82]) == ["A", "", "", "\ufffd"]


def test_a_stream_can_be_used_again_after_a_flush() -> None:
    stream = TextStream(decode_bytes)
    stream.push(0xE2)
    assert stream.flush() == "\ufffd"
    assert stream.push(0x41) + stream.flush() == "A"
    assert stream.flush() == ""


def test_tokens_without_text_do_not_break_a_character() -> None:
    assert "".join(pieces([0xE2, *[256] * 30, 0x82, 0xAC])) == "€"


@pytest.mark.parametrize("ids", [list(TEXT.encode()) * 20, [0x80] * 3000], ids=["text", "broken"])
def test_the_time_is_linear(ids) -> None:
    decoded = []

    def decode(tail: list[int]) -> str:
        decoded.append(len(tail))
        return decode_bytes(tail)

    pieces(ids, decode)
    assert sum(decoded) <= 12 * len(ids)


def pushed(pieces: list[str], stop: list[str]) -> str:
    strings, shown = StopStrings(stop), ""
    for piece in pieces:
        shown += strings.push(piece)
        assert SENTENCE.startswith(shown)
    return shown + strings.flush()


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (["END"], SENTENCE[: SENTENCE.index("END")]),
        (["nowhere"], SENTENCE),
        ([], SENTENCE),
        (["It is a l", "truth"], "It is a "),
        (["truth. It is", "h."], "It is a trut"),  # what is complete first counts
        (["It"], ""),
        (["is.x", "s."], SENTENCE[: SENTENCE.index("s.")]),
        (["th.", "uth.", "h."], "It is a tr"),  # the longest of those complete at once
    ],
)
def test_the_text_is_the_same_however_it_is_cut(stop, expected) -> None:
    chooser = random.Random(0)
    assert pushed([SENTENCE], stop) == expected
    assert pushed(list(SENTENCE), stop) == expected
    for _ in range(30):
        cuts = sorted(chooser.sample(range(1, len(SENTENCE)), 7))
        pieces = [SENTENCE[a:b] for a, b in zip([0, *cuts], [*cuts, len(SENTENCE)], strict=True)]
        assert pushed(pieces, stop) == expected


def test_what_may_be_a_stop_string_waits_and_comes_when_it_is_none() -> None:
    strings = StopStrings(["<end>"])
    assert [strings.push(piece) for piece in ("a<", "en", "c", "<en")] == ["a", "", "<enc", ""]
    assert strings.flush() == "<en"


def test_nothing_comes_after_a_stop_string() -> None:
    strings = StopStrings(["."])
    assert [strings.push("a.b"), strings.push("c"), strings.flush()] == ["a", "", ""]
    assert strings.is_found


def decode_all_or_none(ids: list[int]) -> str:
    """As Llama's do: of bytes that are no text as a whole, each is shown as U+FFFD."""
    data = bytes(token for token in ids if token < 256)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\ufffd" * len(data)


def test_no_character_is_cut_whose_bytes_are_shown_one_by_one() -> None:
    written = pieces(list(TEXT.encode()), decode_all_or_none)
    assert not any("\ufffd" in piece for piece in written)
    assert "".join(written) == TEXT
    for ids in ([0x80] * 3000, [0x41, 0xE2, 0x82], [0xF0] * 7):
        assert set("".join(pieces(ids, decode_all_or_none))) <= {"\ufffd", "A"}


# CLIP's spaces stand behind words: where prompt and text meet, one is missing.
@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "clip"])
def test_prompt_and_pieces_are_the_text_of_both(kind: str) -> None:
    tokenizer = read_tokenizer(ALL[kind]().to_str(), kind)
    words = ["It is", " a single man", ", naïve", " in  want", " 真理 of", " a wife.", "\n\nIt is"]
    generator = random.Random(0)
    inside = going_on(tokenizer)
    for _ in range(20):
        prompt = prompt_ids(tokenizer, generator.choice(words))
        text = "".join(generator.choices(words, k=5))
        new = inside.encode(text, add_special_tokens=False).ids
        stream = TextStream(tokenizer.decode, context=any_word(tokenizer))
        written = "".join([*(stream.push(token) for token in new), stream.flush()])
        assert tokenizer.decode(prompt) + written == tokenizer.decode(prompt + new)
