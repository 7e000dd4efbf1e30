import pytest

from qwen_pl.data.page.fonts import is_bold, is_mathematical, is_monospaced


@pytest.mark.parametrize(
    ("font", "kinds"),
    [
        ("CMTT10", "mono"),
        ("ectt1000", "mono"),
        ("SFIT0900", "mono"),
        ("CMITT10", "mono"),
        ("t1xtt", "mono"),
        ("t1xbtt", "mono bold"),
        ("Courier-Bold", "mono bold"),
        ("CourierNewPS-BoldMT", "mono bold"),
        ("NimbusMonL-Regu", "mono"),
        ("LMMonoLt10-Regular", "mono"),
        ("Inconsolatazi4-Regular", "mono"),
        ("LucidaConsole", "mono"),
        ("TeXGyreCursor-Regular", "mono"),
        ("SourceCodePro-Regular", "mono"),
        ("CMVTT10", ""),
        ("LMMonoProp10-Regular", ""),
        ("MonotypeCorsiva", ""),
        ("Everett-Regular", ""),
        ("CMBX12", "bold"),
        ("SFBX1000", "bold"),
        ("CMSSBX10", "bold"),
        ("NimbusRomNo9L-Medi", "bold"),
        ("Arial,Bold", "bold"),
        ("SourceSansPro-Semibold", "bold"),
        ("Avenir-Medium", ""),
        ("CMMI10", "math"),
        ("CMMIB10", "math bold"),
        ("CMSY7", "math"),
        ("CMEX10", "math"),
        ("MSBM10", "math"),
        ("EUFM10", "math"),
        ("txsys", "math"),
        ("NewTXMI", "math"),
        ("STIXTwoMath-Regular", "math"),
        ("STIXSizeOneSym", "math"),
        ("STIXTwoText-Regular", ""),
        ("CambriaMath", "math"),
        ("StandardSymL", "math"),
        ("MT-Extra", "math"),
        ("CMR10", ""),
        ("TimesNewRomanPSMT", ""),
        ("EuropeanComputerModern", ""),
        ("F1", ""),
        ("", ""),
    ],
)
def test_a_font_is_told_by_its_name(font: str, kinds: str) -> None:
    told = {"mono": is_monospaced(font), "bold": is_bold(font), "math": is_mathematical(font)}
    assert {kind for kind, holds in told.items() if holds} == set(kinds.split())
