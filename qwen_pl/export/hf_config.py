"""A network's sizes as Hugging Face's ``config.json``, read and written, without PyTorch."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qwen_pl.errors import InputError
from qwen_pl.model.config import LARGEST, Qwen3Config, RopeScaling

ARCHITECTURE = "Qwen3ForCausalLM"

# What Transformers' Qwen3Config takes for a key that a file leaves out: not our defaults, which
# are the published Qwen3-0.6B.
TRANSFORMERS_DEFAULTS: dict[str, int | float | bool] = {
    "vocab_size": 151_936,
    "hidden_size": 4096,
    "intermediate_size": 22_016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 128,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}


def config_from_json(source: Mapping[str, Any] | str | Path) -> Qwen3Config:
    """The sizes in a ``config.json``, its folder or its content, as Transformers 4 or 5 writes it.

    Transformers 4 has ``rope_theta`` beside ``rope_scaling``, Transformers 5 both inside
    ``rope_parameters``. Where a file holds both, what Transformers 5 takes is taken.

    Raises:
        InputError: If it cannot be read, or describes what our network does not compute.
    """
    given, name = (source, "config.json") if isinstance(source, Mapping) else _read(Path(source))
    try:
        _refuse_what_is_not_computed(given)
        sizes = {key: _size(given, key) for key in TRANSFORMERS_DEFAULTS}
        theta, scaling = _rope(given, sizes["max_position_embeddings"])
        return Qwen3Config(**sizes, rope_theta=theta, rope_scaling=scaling)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def config_to_json(
    config: Qwen3Config,
    *,
    dtype: str = "float32",
    eos_token_id: int | None = None,
    bos_token_id: int | None = None,
    pad_token_id: int | None = None,
) -> dict[str, Any]:
    """A ``config.json`` like those that Qwen publishes; ``dtype`` is that of the weights beside it.

    Its keys are those of Transformers 4.51, which Transformers 5, llama.cpp and others read too;
    the nested ``rope_parameters`` would say the same again to the newest of them only.

    """
    scaling = None
    if config.rope_scaling is not None:
        scaling = {k: v for k, v in vars(config.rope_scaling).items() if v is not None}
        for key in ("factor", "beta_fast", "beta_slow"):  # which Transformers 4 asks to be floats
            scaling[key] = float(scaling[key])
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "qwen3",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": bos_token_id,
        "eos_token_id": eos_token_id,
        "pad_token_id": pad_token_id,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": config.initializer_range,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "max_window_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "num_key_value_heads": config.num_key_value_heads,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_scaling": scaling,
        "rope_theta": float(config.rope_theta),
        "sliding_window": None,
        "tie_word_embeddings": config.tie_word_embeddings,
        "torch_dtype": dtype,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": config.vocab_size,
    }


def _read(path: Path) -> tuple[dict[str, Any], str]:
    file = path / "config.json" if path.is_dir() else path
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"no config {file}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise InputError(f"{file} holds no JSON object")
    return given, str(file)


def _refuse_what_is_not_computed(given: Mapping[str, Any]) -> None:
    if given.get("model_type") != "qwen3":  # mixtures of experts are qwen3_moe
        raise InputError(
            f"its model_type is {_shown(given.get('model_type'))}: only qwen3, the dense models, "
            "is computed here"
        )
    architectures = _list_of(given, "architectures") or [ARCHITECTURE]
    if ARCHITECTURE not in architectures:
        raise InputError(
            f"its architecture is {_shown(architectures[0])}: only {ARCHITECTURE} is here"
        )
    if given.get("quantization_config") is not None:
        raise InputError("its weights are quantised: take the repository with plain ones")
    if given.get("attention_bias"):
        raise InputError("attention_bias is true: Qwen3's projections here have no biases")
    if given.get("hidden_act", "silu") not in ("silu", "swish"):
        raise InputError(f"hidden_act is {_shown(given['hidden_act'])}: only silu is computed here")
    if _has_sliding_window(given):
        raise InputError("some layers use a sliding window: all attend to everything here")


def _has_sliding_window(given: Mapping[str, Any]) -> bool:
    """Whether any layer has one; the numbers are Transformers' for keys that are left out."""
    if layer_types := _list_of(given, "layer_types"):
        return any(kind != "full_attention" for kind in layer_types)
    if not given.get("use_sliding_window"):
        return False
    if given.get("sliding_window", 4096) is None:
        return False
    full = given.get("max_window_layers", 28)
    return _checked("max_window_layers", full, int) < _size(given, "num_hidden_layers")


def _list_of(given: Mapping[str, Any], key: str) -> list[Any]:
    value = given.get(key) or []
    if not isinstance(value, list):
        raise InputError(f"{key} is {_shown(value)}: it has to be a list")
    return value


def _size(given: Mapping[str, Any], key: str) -> Any:
    default = TRANSFORMERS_DEFAULTS[key]
    value = given.get(key, default)
    if key == "num_key_value_heads" and value is None:  # as many as there are query heads
        return _size(given, "num_attention_heads")
    return _checked(key, value, type(default))


def _checked(key: str, value: Any, kind: type) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value) if abs(value) < 1e300 else math.inf
    if type(value) is not kind:
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise InputError(f"{key} is {_shown(value)}: it has to be {wanted}")
    return value


def _shown(value: Any) -> str:
    """What a file says, in JSON and not at any length."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "lists within lists"
    return text if len(text) <= 80 else f"{text[:80]}..."


def _rope(given: Mapping[str, Any], longest: int) -> tuple[float, RopeScaling | None]:
    """The base of rotary embedding and YaRN's settings, if there are any."""
    # The order of Transformers 5: an old key that says something is listened to first.
    rope = given.get("rope_scaling") or given.get("rope_parameters") or {}
    if not isinstance(rope, Mapping):
        raise InputError(f"rope_scaling is {_shown(rope)}: it has to be an object")
    theta = rope.get("rope_theta", given.get("rope_theta", 10_000.0))
    theta = _checked("rope_theta", theta, float)
    part = rope.get("partial_rotary_factor", given.get("partial_rotary_factor"))
    if part not in (None, 1):
        raise InputError(f"partial_rotary_factor is {_shown(part)}: whole heads are rotated here")
    if "full_attention" in rope:
        raise InputError("its rope_parameters are those of layer types: here all layers are alike")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return theta, None
    if kind != "yarn":
        raise InputError(
            f"its rope_type is {_shown(kind)}: only default and yarn are computed here"
        )
    if rope.get("truncate") is False:
        raise InputError("its YaRN has truncate false, which is not computed here")
    original = given.get("original_max_position_embeddings")
    original = original or rope.get("original_max_position_embeddings") or longest
    original = _checked("original_max_position_embeddings", original, int)
    if original < 1:
        raise InputError(
            f"original_max_position_embeddings is {_shown(original)}: give a value above 0"
        )
    factor = rope.get("factor")
    factor = min(longest, 2**62) / original if factor is None else _checked("factor", factor, float)
    return theta, RopeScaling(
        factor=factor,
        original_max_position_embeddings=original,
        beta_fast=_checked("beta_fast", rope.get("beta_fast") or 32.0, float),
        beta_slow=_checked("beta_slow", rope.get("beta_slow") or 1.0, float),
        attention_factor=_attention_factor(rope, factor),
    )


def _attention_factor(rope: Mapping[str, Any], factor: float) -> float | None:
    """What is said of it, in one number; DeepSeek's way says it in two."""
    if rope.get("attention_factor") is not None:
        return _checked("attention_factor", rope["attention_factor"], float)
    if not (rope.get("mscale") and rope.get("mscale_all_dim")):
        return None
    growth = 0.1 * math.log(max(1.0, min(factor, LARGEST["factor"])))
    above = _checked("mscale", rope["mscale"], float)
    below = _checked("mscale_all_dim", rope["mscale_all_dim"], float)
    if not below * growth + 1 > 0:
        raise InputError(f"mscale_all_dim is {below}: give a value above 0")
    return (above * growth + 1) / (below * growth + 1)
