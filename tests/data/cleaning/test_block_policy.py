"""Which kinds of blocks go into the text, as ``data.blocks`` says."""

import pytest

from qwen_pl.data.cleaning.block_policy import Blocks
from qwen_pl.data.cleaning.clean_text import CleanText, Paragraph
from qwen_pl.data.layout.roles import Role
from qwen_pl.errors import InputError


def test_every_role_has_a_fate_and_every_fate_a_role() -> None:
    assert set(vars(Blocks())) == {role.value for role in Role}


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_what_is_dropped_is_counted_and_leaves_the_space_it_had(role: Role) -> None:
    other = Role.PROSE if role is not Role.PROSE else Role.ITEM
    before = Paragraph("One.", 1, role=other)
    clean = CleanText([before, Paragraph("Two.", 1, 3, role), Paragraph("Three.", 2, 1, other)])
    Blocks(**{role.value: "drop"}).sift(clean)
    assert clean.paragraphs == [before, Paragraph("Three.", 2, 3, other)]
    assert (clean.blocks, clean.left_out) == ({other: 2, role: 1}, {role})


def test_what_is_no_fate_is_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"blocks\.table is 'burn': give keep, drop, apart"):
        Blocks(table="burn")  # type: ignore[arg-type]
