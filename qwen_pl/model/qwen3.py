"""Qwen3, read from top to bottom: how token ids become logits, or a loss.

Shapes: ``B`` batch, ``T`` tokens, ``S`` tokens attended to (more than ``T`` with a cache),
``D`` hidden_size, ``N`` query heads, ``K`` key/value heads, ``H`` head_dim, ``V`` vocab_size.

What attention may see is in ``attention.py``, what is computed by hand for speed alone in
``by_hand.py``. Parameters are named as in Hugging Face's ``Qwen3ForCausalLM``, so published weights
load key for key. Source: Qwen3 Technical Report 2025, https://arxiv.org/abs/2505.09388
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen_pl.model.attention import Mask, attend, mask_and_positions
from qwen_pl.model.by_hand import Linear, is_plain, rms_norm
from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.config import Qwen3Config, RopeScaling
from qwen_pl.model.loss import cross_entropy, linear_cross_entropy
from qwen_pl.model.recompute import GradientCheckpointing, recomputable, recompute_of
from qwen_pl.model.tied import fill_in_tied
from qwen_pl.model.yarn import attention_factor, stretched_frequencies


class RMSNorm(nn.Module):
    """Scales the last dimension to unit root mean square, then by a learned gain.

    ``y = x / sqrt(mean(x²) + eps) * weight``

    Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
    """

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(..., size)`` to the same shape and dtype; the statistics are float32."""
        return rms_norm(x.float(), self.weight.float(), self.eps).to(x.dtype)


def rotary_angles(
    position_ids: Tensor, head_dim: int, theta: float, scaling: RopeScaling | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines by which ``rotate`` turns each pair of dimensions.

    Pair ``i`` of ``H / 2`` turns by ``theta ** (-2i / H)`` per token: the first once in 2π tokens,
    the last hardly at all. Nothing is looked up, so no position is too far.

    Source: Su et al. 2021, https://arxiv.org/abs/2104.09864

    Args:
        position_ids: ``(T,)`` or ``(B, T)`` int64.
        head_dim: Dimensions to turn, two at a time.
        theta: Base of the wavelengths.
        scaling: Stretches them, for contexts longer than those trained on.

    Returns:
        Two float32 tensors ``(T, H)`` or ``(B, 1, T, H)``, which broadcast over heads.
    """
    exponents = torch.arange(0, head_dim, 2, device=position_ids.device).float() / head_dim
    frequencies = 1.0 / theta**exponents  # (H / 2,), radians per token
    if scaling is not None:
        frequencies = stretched_frequencies(frequencies, theta, scaling)
    angles = position_ids.unsqueeze(-1).float() * frequencies  # (..., T, H / 2)
    if position_ids.dim() == 2:
        angles = angles.unsqueeze(1)
    cos, sin = angles.cos(), angles.sin()
    if scaling is not None:
        # Queries and keys both grow by the factor, so scores grow by its square.
        cos, sin = cos * attention_factor(scaling), sin * attention_factor(scaling)
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turns each pair of ``(B, heads, T, H)`` by the angle of its position; same shape and dtype.

    A pair is dimension ``i`` of the first half, ``a``, and dimension ``i`` of the second, ``b``::

                     pair 1
                 ┌──────┴──────┐
        x = [ a0 a1 a2 a3 | b0 b1 b2 b3 ]     angle = position * theta^(-2/H)
                 │             │
                 │             └ b1 cos(angle) + a1 sin(angle)
                 └────────────── a1 cos(angle) - b1 sin(angle)

    A query turned by its position m and a key turned by its position n meet at an angle that
    depends on m - n alone: that is how attention knows distances. The arithmetic is float32.
    """
    cos, signed_sin = angles
    return (x * cos + x.roll(x.shape[-1] // 2, dims=-1) * signed_sin).to(x.dtype)


class Attention(nn.Module):
    """Grouped-query causal attention with normalised queries and keys.

    ``softmax(q kᵀ / sqrt(H)) v``, where ``q`` and ``k`` are normalised per head, then rotated.
    With 4 query heads and 2 key/value heads, head n reads head ``n // (N / K)``::

        queries         q0  q1    q2  q3    N heads
                         └─┬─┘     └─┬─┘
        keys, values     k0,v0     k1,v1    K heads, all that a cache has to hold

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; groups: Ainslie et al. 2023,
    https://arxiv.org/abs/2305.13245; query and key norms: Dehghani et al. 2023,
    https://arxiv.org/abs/2302.05442
    """

    def __init__(self, config: Qwen3Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_dim = config.head_dim
        query_size = config.num_attention_heads * config.head_dim
        key_value_size = config.num_key_value_heads * config.head_dim
        self.q_proj = Linear(config.hidden_size, query_size)
        self.k_proj = Linear(config.hidden_size, key_value_size)
        self.v_proj = Linear(config.hidden_size, key_value_size)
        self.o_proj = Linear(query_size, config.hidden_size)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        mask: Mask = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Maps ``(B, T, D)`` to the same shape."""
        heads = (-1, self.head_dim)
        # Qwen3 normalises before it rotates; Qwen2 has no such norm.
        q = self.q_norm(self.q_proj(x).unflatten(-1, heads)).transpose(1, 2)  # (B, N, T, H)
        k = self.k_norm(self.k_proj(x).unflatten(-1, heads)).transpose(1, 2)  # (B, K, T, H)
        v = self.v_proj(x).unflatten(-1, heads).transpose(1, 2)  # (B, K, T, H)
        q, k = rotate(q, angles), rotate(k, angles)

        if cache is not None:
            k, v = cache.update(self.layer, k, v)  # (B, K, S, H)
        y = attend(q, k, v, mask)  # (B, N, T, H)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """The feed-forward block: ``down(silu(gate(x)) * up(x))``, known as SwiGLU.

    Source: Shazeer 2020, https://arxiv.org/abs/2002.05202
    """

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, T, D)`` to the same shape."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    """Attention, then feed-forward, each normalised before and added to what it read.

    ``x = x + self_attn(input_layernorm(x)); x = x + mlp(post_attention_layernorm(x))``

    Source: Xiong et al. 2020, https://arxiv.org/abs/2002.04745
    """

    def __init__(self, config: Qwen3Config, layer: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    @recomputable
    def forward(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        mask: Mask = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Maps ``(B, T, D)`` to the same shape."""
        x = x + self.self_attn(self.input_layernorm(x), angles, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen3Model(nn.Module):
    """Token ids to hidden states: an embedding, the decoder layers, a last norm.

    ``norm(layer_L(... layer_1(embed_tokens[input_ids])))``

    Source: Qwen3 Technical Report 2025, https://arxiv.org/abs/2505.09388
    """

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(
            DecoderLayer(config, layer) for layer in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        input_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        document_ids: Tensor | None = None,
        cache: KeyValueCache | None = None,
        gradient_checkpointing: GradientCheckpointing = False,
    ) -> Tensor:
        """Maps ``(B, T)`` int64 to ``(B, T, D)``; the arguments are those of the language model.

        Raises:
            ValueError: If documents are told apart with a cache, which holds one for each row.
        """
        mask, position_ids = mask_and_positions(input_ids, position_ids, document_ids, cache)
        config = self.config
        angles = rotary_angles(
            position_ids, config.head_dim, config.rope_theta, config.rope_scaling
        )
        x = self.embed_tokens(input_ids)  # (B, T, D)
        for number, layer in enumerate(self.layers):
            recompute = recompute_of(number, gradient_checkpointing)
            x = layer(x, angles, mask, cache, recompute=recompute)
        if cache is not None:
            cache.advance(input_ids.shape[1])
        return self.norm(x)


class Qwen3ForCausalLM(nn.Module):
    """A language model: for each token, scores for the one that follows.

    ``p(next token) = softmax(lm_head.weight @ hidden)``. Every matrix starts normal with
    ``config.initializer_range``, every gain at one.

    With tied embeddings ``lm_head.weight`` is ``model.embed_tokens.weight``. The state dict holds
    both names, as Transformers' does; when loading, the first may be missing, and if it is there
    has to be the same.

    Source: Qwen3 Technical Report 2025, https://arxiv.org/abs/2505.09388; tied embeddings: Press
    and Wolf 2017, https://arxiv.org/abs/1608.05859

    >>> config = Qwen3Config(vocab_size=97, hidden_size=24, num_hidden_layers=2)
    >>> with torch.device("meta"):
    ...     model = Qwen3ForCausalLM(config)
    ...     logits = model(torch.zeros(3, 5, dtype=torch.long))
    >>> logits.shape
    torch.Size([3, 5, 97])
    """

    gradient_checkpointing: GradientCheckpointing = False
    """Whether decoder layers are computed again in backward, for less memory; see ``recompute``."""

    def __init__(self, config: Qwen3Config) -> None:
        super().__init__()
        self.config = config
        self.model = Qwen3Model(config)
        self.lm_head = Linear(config.hidden_size, config.vocab_size)
        self._tie_weights()
        if not self.lm_head.weight.is_meta:
            self.init_weights()
        self.register_load_state_dict_pre_hook(_fill_in_tied_head)

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        document_ids: Tensor | None = None,
        cache: KeyValueCache | None = None,
        logits_to_keep: int | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        z_loss: float = 0.0,
    ) -> Tensor:
        """Computes logits, or given labels the loss.

        Args:
            input_ids: ``(B, T)`` int64.
            labels: ``(B, T)`` int64, already shifted: ``labels[:, t]`` is the token that follows
                ``input_ids[:, t]``; -100 asks for no prediction.
            position_ids: ``(T,)`` or ``(B, T)`` int64; by default counted on from the cache, or
                from the start of each document.
            document_ids: ``(B, T)`` int64, the same number for all tokens of a document, which
                stand together. No token sees another document. By default a row is one.
            cache: Tokens seen before; it is extended by these.
            logits_to_keep: Return logits for this many last tokens only.
            reduction: ``mean`` over the labelled tokens, or their ``sum``.
            z_loss: Weight of an addition to the loss that keeps logits small; 1e-4 is usual.

        Returns:
            Without labels, logits ``(B, T, V)`` in the compute dtype. With labels, the loss in
            nats, a float32 scalar, without all logits ever in memory, unless something (a hook, a
            pruned head) has to see them.
        """
        hidden = self.model(
            input_ids,
            position_ids=position_ids,
            document_ids=document_ids,
            cache=cache,
            gradient_checkpointing=self.training and self.gradient_checkpointing,
        )
        if labels is None:
            first = 0 if logits_to_keep is None else max(0, hidden.shape[1] - logits_to_keep)
            return self.lm_head(hidden[:, first:])
        hidden, labels = hidden.flatten(0, 1), labels.flatten()
        if not is_plain(self.lm_head):
            return cross_entropy(self.lm_head(hidden), labels, reduction, z_loss)
        weight = self.lm_head.weight
        return linear_cross_entropy(hidden, weight, labels, reduction, z_loss=z_loss)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws all weights anew, as a network from the meta device needs once it has memory."""
        for parameter in self.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0.0, self.config.initializer_range)
            else:
                parameter.fill_(1.0)

    # Tied embeddings are one matrix under two names, also after moving and loading.

    def _tie_weights(self) -> None:
        # A matrix that is pruned, say, is computed from another.
        both = (self.lm_head, self.model.embed_tokens)
        is_own = all("weight" in dict(module.named_parameters(recurse=False)) for module in both)
        if self.config.tie_word_embeddings and is_own:
            self.lm_head.weight = self.model.embed_tokens.weight

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Qwen3ForCausalLM":
        # Moving from the meta device makes new parameters, one for each name.
        super()._apply(fn, recurse)
        self._tie_weights()
        return self


def _fill_in_tied_head(
    module: Qwen3ForCausalLM, state_dict: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Gives both names of the one matrix to a state dict of which one is there."""
    if module.config.tie_word_embeddings:
        fill_in_tied(state_dict, f"{prefix}model.embed_tokens.weight", f"{prefix}lm_head.weight")
