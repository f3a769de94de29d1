"""Attention of PyTorch (plain) and of transformers' Llama (rotary, shared key heads) on recorded weights.

python benchmarks/peers/golden_attention.py, in an environment with torch, transformers and safetensors.
"""

import torch
from record import record
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

DIM, HEADS, KEY_HEADS, HEAD_DIM, LENGTH = 8, 4, 2, 4, 11


def plain(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """nn.MultiheadAttention with a causal mask; its query, key and value weights are rows of one matrix."""
    module = torch.nn.MultiheadAttention(DIM, HEADS, bias=False, batch_first=True)
    later = torch.triu(torch.ones(LENGTH, LENGTH, dtype=torch.bool), diagonal=1)
    y, _ = module(x, x, x, attn_mask=later, need_weights=False)
    query, key, value = module.in_proj_weight.chunk(3)
    return {"query": query, "key": key, "value": value, "output": module.out_proj.weight, "y": y[0]}


def llama(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """LlamaAttention: heads wider than the input makes them, two query heads to a head of keys and values."""
    config = LlamaConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        head_dim=HEAD_DIM,
        attn_implementation="eager",
    )
    module = LlamaAttention(config, layer_idx=0).eval()
    positions = LlamaRotaryEmbedding(config)(x, torch.arange(LENGTH)[None])
    later = torch.triu(torch.full((LENGTH, LENGTH), torch.finfo(x.dtype).min), diagonal=1)[None, None]
    y, _ = module(x, position_embeddings=positions, attention_mask=later)
    projections = {name: getattr(module, f"{name[0]}_proj").weight for name in ("query", "key", "value", "output")}
    return {**projections, "y": y[0]}


def main() -> None:
    torch.manual_seed(0)
    x = 3 * torch.randn(1, LENGTH, DIM)
    with torch.no_grad():
        cases = {"plain": plain(x), "llama": llama(x)}
    tensors = {f"{case}.{name}": v.detach().numpy() for case, found in cases.items() for name, v in found.items()}
    record("attention", {"x": x[0].numpy(), **tensors}, ["torch", "transformers"])


if __name__ == "__main__":
    main()
