"""Where things are in the cache: caches made by earlier versions stay of use."""

from pathlib import Path

from qwen_pl.data.cache_dir import CacheDir, TasksEntry, TextEntry, TokensEntry

CACHE = CacheDir(Path("c"))
PRINT = "0536975ac03c"


def test_what_was_kept_before_is_found_under_the_same_names() -> None:
    text, corpus, tokens = CACHE.text("book", PRINT), CACHE.corpus(PRINT), CACHE.tokens(PRINT)
    kept = [
        *(CACHE.lock, CACHE.content_hashes, CACHE.checked_config(PRINT), CACHE.tokenizer(PRINT)),
        *(text.text, text.index, text.record, CACHE.pages("5d" * 32, "pypdf-7.1.0+2")),
        *(corpus.documents, corpus.report_json, corpus.report_html),
        *(tokens.tokens, tokens.index, tokens.pages, tokens.num_bytes, tokens.part(7)),
    ]
    assert [path.relative_to("c").as_posix() for path in kept] == [
        *(".lock", "files.json", f"configs/{PRINT}", f"tokenizer/{PRINT}"),
        *(f"text/book-{PRINT}.txt", f"text/book-{PRINT}.index", f"text/book-{PRINT}.json"),
        "pages/5d5d5d5d5d5d5d5d-pypdf-7.1.0+2.json.gz",
        *(f"corpus/{PRINT}/{name}" for name in ("corpus.json", "report.json", "report.html")),
        *(f"tokens/{PRINT}/{name}" for name in ("tokens.bin", "index.json", "pages.npy")),
        *(f"tokens/{PRINT}/num_bytes.npy", f"tokens/{PRINT}.parts/000007.npz"),
    ]


def test_a_text_keeps_its_fingerprint_in_its_name() -> None:
    assert CACHE.text("a-book", PRINT).fingerprint == PRINT
    assert TextEntry(CACHE.text("a-book", PRINT).text).fingerprint == PRINT


def test_a_name_too_long_or_of_no_text_still_makes_a_file(tmp_path: Path) -> None:
    for name in ("é" * 200, "caf\udce9"):
        text = CacheDir(tmp_path).text(name, PRINT).text
        text.parent.mkdir(exist_ok=True)
        text.write_text("")
        assert text.name.endswith(f"-{PRINT}.txt")


def test_what_lies_in_a_folder_goes_where_the_folder_goes() -> None:
    assert TokensEntry(Path("elsewhere")).index == Path("elsewhere/index.json")
    assert TasksEntry(Path("elsewhere")).stage("read") == Path("elsewhere/read")
