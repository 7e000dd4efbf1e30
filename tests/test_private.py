"""What only the owner of a run may know is in none of its files, and in nothing that is printed."""

import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
import yaml
from command_line import Outcome, Run, complains
from pdf_writer import made_up_pages, write_pdf

from qwen_pl.private import is_private, without_private, without_private_words
from qwen_pl.run.reading import run_parser

PASSWORD, KEY = "xyzzy-plugh-1", "frotz.ozmoo.2"
LOGGER = """
from lightning.pytorch.loggers import CSVLogger

class KeyLogger(CSVLogger):
    def __init__(self, save_dir="", name="lightning_logs", version=None, prefix="",
                 flush_logs_every_n_steps=100, api_key=None, server=None):
        if not api_key:
            raise ValueError("api_key is missing")
        super().__init__(save_dir, name, version, prefix, flush_logs_every_n_steps)
"""


@pytest.fixture
def locked(folder: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config whose PDF needs a password, and whose logger a key; neither is in it."""
    write_pdf(folder / "plain.pdf", made_up_pages(8))
    writer = pypdf.PdfWriter(clone_from=folder / "plain.pdf")
    writer.encrypt(user_password=PASSWORD, algorithm="RC4-128")
    writer.write(folder / "locked.pdf")
    (folder / "keys.py").write_text(LOGGER)
    monkeypatch.syspath_prepend(str(folder))
    settings = yaml.safe_load(config.read_text())
    settings["data"] |= {"source": "locked.pdf", "cache_dir": "cache"}
    server = f"https://ada:{KEY}@host/?token={KEY}"
    logger = {"class_path": "keys.KeyLogger", "init_args": {"server": server}}
    settings["trainer"] |= {"max_steps": 4, "logger": ["TensorBoardLogger", logger]}
    config.write_text(yaml.safe_dump(settings))
    return config


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All that is in the files of a folder, and what is packed in them."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file, file.read_bytes()
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as packed:
                    yield from ((file / name, packed.read(name)) for name in packed.namelist())
            elif file.suffix == ".gz":
                yield file, gzip.decompress(file.read_bytes())


def keeps_silent(outcome: Outcome, code: int = 0) -> Outcome:
    assert outcome.code == code, outcome.err
    assert not any(secret in outcome.out + outcome.err for secret in (PASSWORD, KEY))
    return outcome


def test_a_password_and_a_key_are_in_no_file_of_a_run_and_in_nothing_that_is_told(
    qwen_pl: Run, folder: Path, locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--data.password", PASSWORD]
    key = ["--trainer.logger.api_key", KEY]
    keeps_silent(qwen_pl("prepare", "--config", locked, *words))
    keeps_silent(qwen_pl("fit", "--config", locked, *words, *key, "--print_config"))
    keeps_silent(qwen_pl("fit", "--config", locked, *words, *key))
    run, more = folder / "lightning_logs/small", ["--trainer.max_steps", 6, "--ckpt_path", "last"]
    assert {"config.yaml", "metrics.csv"} <= {file.name for file in run.iterdir()}
    keeps_silent(qwen_pl("fit", "--config", run / "config.yaml", *words, *key, *more))
    for verb in ("validate", "test"):
        keeps_silent(qwen_pl(verb, "--config", locked, "--run", "small", *words))
    keeps_silent(qwen_pl("inspect", "--run", "small", "--config"))
    keeps_silent(qwen_pl("export", "--run", "small", "--out", "exported"))
    # What it is needed for no more is not asked for; what is needed is, in one line.
    assert qwen_pl("fit", "--config", run / "config.yaml", *key, *more[2:]).code == 0
    complains(qwen_pl("fit", "--config", run / "config.yaml", *more[2:]), "api_key is missing")
    elsewhere = ["--data.cache_dir", "other", *key, *more[2:]]
    complains(qwen_pl("fit", "--config", locked, *elsewhere), "give its password in data.password")
    for secret in (PASSWORD, KEY):
        for file, content in contents(folder):
            if file != locked:
                assert secret.encode() not in content, file


@pytest.mark.parametrize("given", [f"[{PASSWORD}]", f"{{a: {PASSWORD}}}"])
def test_a_password_that_is_none_is_refused_unseen(qwen_pl: Run, locked: Path, given: str) -> None:
    settings = yaml.safe_load(locked.read_text())
    settings["data"]["password"] = yaml.safe_load(given)
    locked.write_text(yaml.safe_dump(settings))
    for verb in ("fit", "prepare"):
        complains(keeps_silent(qwen_pl(verb, "--config", locked), 2), "data.password")


def test_a_misspelt_logger_does_not_tell_its_key(qwen_pl: Run, locked: Path) -> None:
    for name, args in (("keys.KeyLoger", "api_key"), ("keys.KeyLogger", "apikey")):
        settings = yaml.safe_load(locked.read_text())
        logger = {"class_path": name, "init_args": {args: KEY}}
        settings["trainer"]["logger"] = logger
        locked.write_text(yaml.safe_dump(settings))
        keeps_silent(qwen_pl("fit", "--config", locked), 2)


def test_of_our_settings_the_password_alone_is_private() -> None:
    settings = run_parser("fit", []).get_defaults().keys()
    assert [name for name in settings if is_private(name)] == ["data.password"]


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "HF_TOKEN", "secret", "aws_secret_access_key", "Authorization"]
)
def test_the_usual_names_of_secrets_are_known(name: str) -> None:
    assert without_private({"a": [{name: KEY, "b": 1}]}) == {"a": [{"b": 1}]}
    assert KEY not in without_private_words(f"Given value: {{'{name}': '{KEY}'}}")


def test_what_is_empty_is_no_secret() -> None:
    assert without_private({"password": "", "token": None}) == {"password": "", "token": None}
