"""Whether a folder holds a run that can be gone on with."""

from pathlib import Path

from qwen_pl.errors import InputError
from qwen_pl.training.checkpoint import BEST, FOLDER, load_checkpoint


def has_begun(run_dir: Path, every_n_train_steps: int) -> bool:
    """Whether a run has saved a checkpoint, whole or damaged, or one it had saved is gone.

    What a run leaves that was killed before its first checkpoint is no beginning: a log, or the
    best weights of an early validation.
    """
    folder = run_dir / FOLDER
    if any(path.name != BEST for path in folder.glob("*.ckpt")):
        return True
    if not (folder / BEST).exists():
        return False
    try:
        step = load_checkpoint(folder / BEST, mmap=True)["global_step"]
    except (InputError, KeyError):
        return True
    # The best of a step is saved before the step is. Later, a step was saved and then removed.
    return step > every_n_train_steps
