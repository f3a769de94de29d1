"""Outputs of transformers' Mamba2Mixer on the CPU with random weights, for tests/layers/test_mamba2.py.

Runs in an environment of its own with torch, transformers and safetensors: python golden_mamba2.py
"""

import torch
from record import record
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

LENGTH = 19


def main() -> None:
    """One small layer, two groups of two heads, chunks shorter than the sequence."""
    torch.manual_seed(0)
    config = Mamba2Config(
        hidden_size=8, expand=2, num_heads=4, head_dim=4, state_size=5, n_groups=2, conv_kernel=4, chunk_size=8,
        num_hidden_layers=1,
    )  # fmt: skip
    mixer = Mamba2Mixer(config, layer_idx=0).eval()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
        x = torch.randn(1, LENGTH, config.hidden_size)
        y = mixer(x)
    weights = {name: value.numpy() for name, value in mixer.state_dict().items()}
    record("mamba2", {"x": x[0].numpy(), "y": y[0].numpy(), **weights}, ["torch", "transformers"])


if __name__ == "__main__":
    main()
