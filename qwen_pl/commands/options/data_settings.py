"""The data settings of a config, without waiting for PyTorch where that can be helped."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwen_pl.data.prepare.settings import DataSettings


def data_settings(config: str, overrides: list[str]) -> "DataSettings":
    """The data settings of a config.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    return data_settings_alone(config, overrides) or checked_data_settings(config, overrides)


def checked_data_settings(config: str, overrides: list[str]) -> "DataSettings":
    """The data settings of a config that is checked to the last key, as ``fit`` does.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    from qwen_pl.run.reading import read_without_run

    _, parts = read_without_run(["--config", config, *overrides])
    return parts.data.settings


def data_settings_alone(config: str, overrides: list[str]) -> "DataSettings | None":
    """The data settings of a config, without the seconds that PyTorch and Lightning take to load.

    None where anything is unclear; then the whole config is to be read, with all its checks.
    """
    import yaml
    from jsonargparse import ArgumentParser

    from qwen_pl.data.prepare.settings import DataSettings

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(DataSettings, "data")
    try:
        values = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        if (values.get("model") or {}).get("from_pretrained"):
            return None  # its tokenizer may be meant
        given = parser.parse_object({"data": values.get("data", {})})
        given = parser.parse_args(overrides, namespace=given)
        return parser.instantiate(given).data
    except Exception:  # whatever it is, the whole reading has the better words for it
        return None
