"""The sizes of a small Qwen3 of Transformers, for tests that read what it saves."""

import transformers


def their_config(**changes: object) -> transformers.Qwen3Config:
    """Sizes that all differ; 24 is not the width of all heads together."""
    sizes = {
        "vocab_size": 97,
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "max_position_embeddings": 64,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
    }
    return transformers.Qwen3Config(**sizes | changes)
