"""``prepare``: does all that a config needs before training."""

from qwen_pl.commands.arguments import VerbParser

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
    options, overrides = parser.parse_known_args(args)

    from qwen_pl.cli import data_of_config
    from qwen_pl.data.prepare import prepare

    data = data_of_config(["--config", options.config, *overrides])
    prepared = prepare(data.recipe, data.cache_dir, progress=True)
    tokenizer, tokens = prepared.tokenizer(), prepared.tokens
    for document in prepared.documents:
        print(f"text       {document.text_file}")
    print(f"tokenizer  {prepared.tokenizer_dir} ({tokenizer.get_vocab_size():,} tokens)")
    print(f"tokens     {tokens.folder}")
    for name in ("train", "val", "test"):
        first, end = tokens.split(name)
        print(f"  {name:<8} {end - first:>12,} tokens")
