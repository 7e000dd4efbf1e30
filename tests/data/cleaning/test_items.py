"""Which paragraphs are items of lists."""

import pytest
from line_maker import set_lines

from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.layout.roles import Role

LISTS = {
    "bullets": (["• one cat is here", "", "• two cats are here"], [1, 1]),
    "nested": (["• one cat", "", "    • a kitten", "", "• two cats"], [1, 2, 1]),
    "numbers": (["1. one cat is here", "", "2. two cats are here"], [1, 1]),
    "a number that hangs": (["3) one cat that is here", "     and a kitten beside it"], [1]),
    "a number alone": (["1. one cat is here and it is all there is"], [0]),
    "speeches": (["— One cat is here.", "", "— Two cats are here."], [0, 0]),
    "an initial": (["A. Miller wrote to me of it.", "", "It was about the cats."], [0, 0]),
}


@pytest.mark.parametrize("kind", LISTS)
def test_items_are_told_with_their_depth(kind: str) -> None:
    lines, levels = LISTS[kind]
    filler = ["So the miller went home and slept well."] * 6
    page = set_lines([*filler, "", *lines, "", *filler])
    paragraphs = clean_pages([page]).paragraphs[1:-1]
    assert [p.level if p.role is Role.ITEM else 0 for p in paragraphs] == levels
