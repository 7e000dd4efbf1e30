"""Text ends before a stop string, and none of it is ever shown."""

import random

import pytest

from qwen_pl.generation.stop import StopStrings

TEXT = "It is a truth. It is universally acknowledged; END it is."


def pushed(pieces: list[str], stop: list[str]) -> str:
    strings, shown = StopStrings(stop), ""
    for piece in pieces:
        shown += strings.push(piece)
        assert TEXT.startswith(shown)
    return shown + strings.flush()


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (["END"], TEXT[: TEXT.index("END")]),
        (["nowhere"], TEXT),
        ([], TEXT),
        (["It is a l", "truth"], "It is a "),
        (["truth. It is", "h."], "It is a trut"),  # what is complete first counts
        (["It"], ""),
        (["is.x", "s."], TEXT[: TEXT.index("s.")]),
        (["th.", "uth.", "h."], "It is a tr"),  # the longest of those complete at once
    ],
)
def test_the_text_is_the_same_however_it_is_cut(stop, expected) -> None:
    chooser = random.Random(0)
    assert pushed([TEXT], stop) == expected
    assert pushed(list(TEXT), stop) == expected
    for _ in range(30):
        cuts = sorted(chooser.sample(range(1, len(TEXT)), 7))
        pieces = [TEXT[a:b] for a, b in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
        assert pushed(pieces, stop) == expected


def test_what_may_be_a_stop_string_waits_and_comes_when_it_is_none() -> None:
    strings = StopStrings(["<end>"])
    assert [strings.push(piece) for piece in ("a<", "en", "c", "<en")] == ["a", "", "<enc", ""]
    assert strings.flush() == "<en"


def test_nothing_comes_after_a_stop_string() -> None:
    strings = StopStrings(["."])
    assert [strings.push("a.b"), strings.push("c"), strings.flush()] == ["a", "", ""]
    assert strings.is_found
