"""``consolidate``: makes a single file of a sharded checkpoint, or a sharded one of a file."""

from pathlib import Path

from qwen_pl.commands.options import VerbParser
from qwen_pl.errors import InputError
from qwen_pl.files import check_place, in_bytes, size_of
from qwen_pl.terminal import tell


def main(args: list[str]) -> None:
    """Writes the other form of a checkpoint; a run goes on from either."""
    parser = VerbParser(
        "consolidate",
        "Make a single file of a sharded checkpoint, or a sharded one of a file. All that is in it "
        "stays, with the optimizer's state: a run goes on from both, on any number of devices.",
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="a checkpoint, file or folder")
    parser.add_argument(
        "target",
        type=Path,
        metavar="DST",
        help="what to write; in a folder that is there, under the name that SRC has",
    )
    options = parser.parse_args(args)
    target = _target(options.source, options.target)
    consolidate(options.source, target)
    form = "sharded" if target.is_dir() else "a single file"
    tell(f"{options.source} -> {target}, {form} of {in_bytes(size_of(target))}")


def consolidate(source: Path, target: Path) -> None:
    """Writes ``target``, a single file if ``source`` is sharded and else sharded, whole or not.

    Raises:
        InputError: If the source cannot be read or the target cannot be written.
    """
    from qwen_pl.training.checkpoints.checkpoint import load_checkpoint, save_checkpoint
    from qwen_pl.training.checkpoints.sharded_folder import belongs_to_weights, save_sharded

    if target.exists():
        raise InputError(f"{target} is there already: give another name, or remove it")
    check_place(target)
    # A file is mapped rather than read, so of each tensor there is one in memory at a time.
    checkpoint = load_checkpoint(source, mmap=source.is_file())
    try:
        if source.is_dir():
            save_checkpoint(checkpoint, target)
        else:
            save_sharded(checkpoint, target, belongs=belongs_to_weights)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error}") from None


def _target(source: Path, given: Path) -> Path:
    """``given``, or a path in it if it is a folder and no checkpoint."""
    from qwen_pl.training.checkpoints.sharded_folder import UNSHARDED

    is_folder = given.is_dir() and not (given / UNSHARDED).exists()
    return given / source.name if is_folder else given
