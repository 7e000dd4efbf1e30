"""Who sees whom: causal attention, also inside the documents of a packed window."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from qwen_pl.model.cache import KeyValueCache

Mask = Tensor | BlockMask | None
"""None for plain causal attention, a table of who sees whom, or the blocks of it that are used."""

NARROWEST_HEAD = 16
"""The least ``H`` that FlexAttention has kernels for; zeros are added to narrower heads."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask = None) -> Tensor:
    """``softmax(q kᵀ / sqrt(H)) v`` over what each token may see.

    Args:
        q: ``(B, N, T, H)``.
        k: ``(B, K, S, H)``; the last ``T`` of the ``S`` tokens are those of the queries.
        v: As ``k``.
        mask: From ``document_mask`` or a cache. None where ``T`` is 1 or ``S``: a single token sees
            all, and a whole text is seen causally.

    Returns:
        ``(B, N, T, H)``, in the dtype of ``k``.
    """
    q = q.to(k.dtype)  # under autocast, a cache may hold another
    if isinstance(mask, BlockMask):
        head_dim = q.shape[-1]
        if head_dim < NARROWEST_HEAD:
            q, k, v = (F.pad(x, (0, NARROWEST_HEAD - head_dim)) for x in (q, k, v))
        flex = _compiled_flex_attention()
        y = flex(q, k, v, block_mask=mask, scale=head_dim**-0.5, enable_gqa=True)
        return y[..., :head_dim]
    is_causal = mask is None and q.shape[2] > 1
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=is_causal, enable_gqa=True
    )


def mask_and_positions(
    input_ids: Tensor,
    position_ids: Tensor | None,
    document_ids: Tensor | None,
    cache: KeyValueCache | None,
) -> tuple[Mask, Tensor]:
    """Whom each token of ``(B, T)`` sees, and where it stands unless ``position_ids`` says so.

    Counted on from the cache, or from the start of each document, or of the row.

    Raises:
        ValueError: If documents are told apart with a cache, which holds one for each row.
    """
    num_tokens = input_ids.shape[1]
    mask: Mask = None
    if document_ids is not None:
        if cache is not None:
            raise ValueError("document_ids and a cache do not go together: a row is one document")
        mask, counted = document_mask(document_ids), document_positions(document_ids)
    elif cache is not None:
        mask, counted = cache.mask(num_tokens), cache.positions(num_tokens)
    else:
        counted = torch.arange(num_tokens, device=input_ids.device)
    return mask, counted if position_ids is None else position_ids


def document_positions(document_ids: Tensor) -> Tensor:
    """Tokens since the start of each token's document, ``(B, T)`` int64 as what is given.

    >>> document_positions(torch.tensor([[4, 4, 4, 5, 5, 6]])).tolist()
    [[0, 1, 2, 0, 1, 0]]
    """
    index = torch.arange(document_ids.shape[1], device=document_ids.device)
    starts = torch.zeros_like(document_ids)
    is_new = document_ids[:, 1:] != document_ids[:, :-1]
    starts[:, 1:] = index[1:] * is_new
    return index - starts.cummax(dim=1).values


def document_mask(document_ids: Tensor, *, in_blocks: bool | None = None) -> Tensor | BlockMask:
    """Lets a token see itself and what came before it in its own document.

    Args:
        document_ids: ``(B, T)`` int64; tokens of one document have one number.
        in_blocks: Whether to make a ``BlockMask`` for FlexAttention, which leaves out the work of
            blocks in which nothing is seen; by default on CUDA. Otherwise a table
            ``(B, 1, T, T)`` bool.

    >>> document_mask(torch.tensor([[0, 0, 1]]))[0, 0].int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    """
    batch_size, num_tokens = document_ids.shape
    if in_blocks is None:
        in_blocks = document_ids.is_cuda
    if not in_blocks:
        same = document_ids.unsqueeze(1) == document_ids.unsqueeze(2)  # (B, T, T)
        return same.tril().unsqueeze(1)

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (document_ids[row, query] == document_ids[row, key])

    return create_block_mask(
        sees, batch_size, None, num_tokens, num_tokens, device=document_ids.device
    )


@lru_cache(maxsize=1)
def _compiled_flex_attention():
    # Uncompiled it makes all scores of all heads, which is what it is there to avoid.
    return torch.compile(flex_attention) if torch.cuda.is_available() else flex_attention
