"""The peer of ssd.py: transformers' Mamba-2 on the CPU, its chunked scan and its whole mixer; prints milliseconds.

Runs in an environment of its own with torch and transformers:
python torch_mamba2.py BATCH LENGTH WIDTH HEAD_DIM STATE CHUNK REPEATS      WIDTH: of all heads, twice that of the mixer
"""

import json
import sys
import time
from importlib.metadata import version

import torch
from transformers import Mamba2Config
from transformers.models.mamba2 import modeling_mamba2


def fastest_ms(run, arguments: list[torch.Tensor], repeats: int) -> tuple[float, float]:
    """Forward alone, and forward with the gradients of all arguments."""
    forward, both = [], []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with torch.no_grad():
            run(*arguments)
        middle = time.perf_counter()
        torch.autograd.grad((run(*arguments) ** 2).sum(), arguments)
        forward.append(middle - started)
        both.append(time.perf_counter() - middle)
    return 1e3 * min(forward[1:]), 1e3 * min(both[1:])


def main() -> None:
    """Time both."""
    batch, length, width, head_dim, state, chunk, repeats = map(int, sys.argv[1:])
    heads = width // head_dim
    torch.manual_seed(0)
    scan = modeling_mamba2.mamba2_chunk_scan
    A = -torch.arange(1.0, heads + 1)
    rows = [
        torch.randn(batch, length, heads, head_dim),
        torch.rand(batch, length, heads) * 0.1,
        torch.randn(batch, length, 1, state),
        torch.randn(batch, length, 1, state),
    ]
    alone = fastest_ms(
        lambda x, dt, B, C: scan(x, dt, A, B, C, chunk_size=chunk), [v.requires_grad_() for v in rows], repeats
    )
    config = Mamba2Config(
        hidden_size=width // 2, expand=2, num_heads=heads, head_dim=head_dim, state_size=state, n_groups=1,
        chunk_size=chunk, num_hidden_layers=1,
    )  # fmt: skip
    mixer = modeling_mamba2.Mamba2Mixer(config, layer_idx=0)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.uniform_(-0.1, 0.1)
    x = torch.randn(batch, length, width // 2, requires_grad=True)
    weights = list(mixer.parameters())
    layer = fastest_ms(lambda x, *_: mixer(x), [x, *weights], repeats)
    found = {"scan": alone, "layer": layer, "versions": {name: version(name) for name in ("torch", "transformers")}}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
