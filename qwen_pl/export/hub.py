"""Files of a folder, or of a repository on the Hugging Face Hub."""

import re
from pathlib import Path

from qwen_pl.errors import InputError

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def published_file(name: str | Path, *file_names: str, beside: Path | None = None) -> Path | None:
    """The first of ``file_names`` that a folder or repository has, None if it has none of them.

    What was downloaded once stays as it is. Nothing but the file asked for is downloaded.

    Args:
        name: A folder, or the id of a repository such as "Qwen/Qwen3-0.6B".
        beside: A file found before, of whose revision this one has to be.

    Raises:
        InputError: If there is neither such a folder nor a repository that can be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return next((folder / file for file in file_names if (folder / file).is_file()), None)
    repository = str(name)
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise InputError(f"no such folder: {name}")
    import huggingface_hub  # tokenizers brings it along
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    revision = beside.parent.name if beside is not None else ""
    how = {"revision": revision} if _COMMIT.fullmatch(revision) else {}
    for file_name in file_names:
        kept = huggingface_hub.try_to_load_from_cache(repository, file_name, **how)
        if isinstance(kept, str):
            return Path(kept)
    huggingface_hub.logging.set_verbosity_error()
    for file_name in file_names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, file_name, **how))
        except Exception as error:  # of many kinds, those of the network among them
            if isinstance(error, EntryNotFoundError) and not isinstance(
                error, LocalEntryNotFoundError
            ):
                continue
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise InputError(
                f"no {file_name} of {name}: there is no such folder, and as a repository on the "
                f"Hugging Face Hub it cannot be had ({reason})"
            ) from None
    return None
