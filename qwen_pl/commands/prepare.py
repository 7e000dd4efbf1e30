"""``prepare``: does all that a config needs before training."""

from pathlib import Path
from typing import TYPE_CHECKING

from qwen_pl import __version__
from qwen_pl.commands.options.arguments import VerbParser
from qwen_pl.commands.options.cluster_arguments import (
    add_cluster_options,
    check_cluster_options,
    prepare_as_asked,
)
from qwen_pl.commands.options.data_settings import checked_data_settings, data_settings_alone
from qwen_pl.files import write_text

if TYPE_CHECKING:
    from qwen_pl.data.prepare.prepare import Prepared
    from qwen_pl.data.prepare.settings import DataSettings

_LISTED = 5

HELP = """\
Read the PDFs of a config, train its tokenizer and write its token file. fit does the same before
it trains; what is there already is not done again. Any --data option of fit may follow."""


def main(args: list[str]) -> None:
    """Prepares the data of a config and tells where the results lie.

    Raises:
        InputError: If the config or what it names cannot be used.
    """
    parser = VerbParser("prepare", HELP)
    parser.add_argument("--config", required=True, metavar="FILE", help="configs/NAME.yaml")
    add_cluster_options(parser)
    options, overrides = parser.parse_known_args(args)
    check_cluster_options(options)

    from qwen_pl.data.prepare.prepare import find_prepared, prepare
    from qwen_pl.data.prepare.reference import prepare_reference
    from qwen_pl.data.report.table import status_table

    prepared = None
    settings = data_settings_alone(options.config, overrides)
    if settings and _mark(settings, options.config, overrides).is_file():
        prepared = find_prepared(settings.recipe, settings.cache_dir, progress=True)
    if prepared is None:
        settings = checked_data_settings(options.config, overrides)
        if options.cluster:
            prepared = prepare_as_asked(options, settings)
        else:
            prepared = prepare(
                settings.recipe, settings.cache_dir, num_proc=settings.num_proc, progress=True
            )
        write_text(_mark(settings, options.config, overrides), "checked\n")
    if prepared is None:
        return  # it was left to a cluster
    reference = None
    if settings.reference_text is not None:
        reference = prepare_reference(
            settings.reference_text,
            settings.recipe,
            prepared,
            settings.cache_dir,
            num_proc=settings.num_proc,
            progress=True,
        )
    _show(prepared, reference, status_table(prepared.corpus.reports))


def _mark(settings: "DataSettings", config: str, overrides: list[str]) -> Path:
    """A file that is there once this config, as it is now, was checked to the last key."""
    from qwen_pl.data.cache_dir import CacheDir
    from qwen_pl.files import fingerprint

    text = Path(config).read_text(encoding="utf-8")
    made_of = fingerprint([text, overrides, __version__])
    return CacheDir(settings.cache_dir).checked_config(made_of)


def _show(prepared: "Prepared", reference: "Prepared | None", table: str) -> None:
    """What there is and where it lies."""
    tokens = prepared.tokens
    for document in prepared.documents[:_LISTED]:
        print(f"text       {document.text_file}")
    if (more := len(prepared.documents) - _LISTED) > 0:
        print(f"           and {more:,} more in the same folder")
    size = prepared.tokenizer().get_vocab_size()
    print(f"tokenizer  {prepared.tokenizer_dir} ({size:,} tokens)")
    print(f"tokens     {tokens.folder}")
    for name in ("train", "val", "test"):
        count = tokens.num_documents(name)
        documents = f"{count:,} document{'' if count == 1 else 's'}"
        print(f"  {name:<8} {tokens.num_tokens(name):>14,} tokens of {documents}")
    print(f"  {tokens.bytes_per_token:.2f} bytes per token of held-out text")
    if reference is not None:
        count = reference.tokens.num_tokens("train")
        print(f"reference  {reference.tokens.folder} ({count:,} tokens)")
    print(f"report     {prepared.corpus.report_file}")
    print(f"\n{table}")
