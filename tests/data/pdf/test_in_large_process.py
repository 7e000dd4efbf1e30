from pathlib import Path

import numpy as np

from qwen_pl.data.pdf.read import PdfLimits, read_pdf


def test_the_memory_of_the_caller_does_not_count_against_the_reader(small_pdf: Path) -> None:
    large = np.ones(400 << 17)  # 400 MB, touched
    assert read_pdf(small_pdf, limits=PdfLimits(memory_mb=380)).status == "ok"
    assert large[-1] == 1
