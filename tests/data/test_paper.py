"""A paper of two columns, from its PDF to its paragraphs, with either reader."""

import pytest
from paper_writer import PAPER, write_paper

from qwen_pl.data.cleaning.block_policy import Blocks
from qwen_pl.data.cleaning.clean import clean_sheets
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, CleanText
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.pdf.read import PdfText, read_pdf


@pytest.fixture(scope="module", params=["pypdf", "pdfium"])
def pdf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PdfText:
    path = tmp_path_factory.mktemp("paper") / "paper.pdf"
    write_paper(path)
    return read_pdf(path, reader=request.param)


def roles_and_texts(clean: CleanText) -> list[tuple[Role, str]]:
    return [(paragraph.role, paragraph.text) for paragraph in clean.paragraphs]


def test_every_block_is_what_it_is_and_none_interrupts_a_sentence(pdf: PdfText) -> None:
    clean = clean_sheets(pdf.sheets)
    assert roles_and_texts(clean) == PAPER
    assert clean.left_out == {Role.RUNNING_HEAD, Role.MARGIN, Role.FIGURE}
    levels = [p.level for p in clean.paragraphs if p.role is Role.HEADING]
    assert levels[0] < levels[1] == levels[2] == levels[3]
    assert {p.level for p in clean.paragraphs if p.role is Role.ITEM} == {1}


@pytest.mark.parametrize("role", [Role.TABLE, Role.CODE, Role.FOOTNOTE, Role.BIBLIOGRAPHY])
def test_a_role_that_is_dropped_is_all_that_is_missing(pdf: PdfText, role: Role) -> None:
    clean = clean_sheets(pdf.sheets, EVERY_STEP, Blocks(**{role.value: "drop"}))
    assert roles_and_texts(clean) == [block for block in PAPER if block[0] is not role]


def test_what_is_dropped_can_be_kept(pdf: PdfText) -> None:
    blocks = Blocks(figure="keep", margin="keep", running_head="keep")
    clean = clean_sheets(pdf.sheets, EVERY_STEP, blocks)
    kept = {(p.role, p.text) for p in clean.paragraphs} - set(PAPER)
    assert (Role.MARGIN, "preprint:1880.0417 [mill] 3 May") in kept
    assert (Role.RUNNING_HEAD, "Proceedings of the Society of Millers") in kept
    assert any(role is Role.FIGURE and "height in inches" in text for role, text in kept)
    assert [block for block in roles_and_texts(clean) if block in PAPER] == PAPER
