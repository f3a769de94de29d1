"""Outputs and gradients of transformers' Mamba mixer with random weights, for tests/golden/layers/mamba.safetensors.

Runs in an environment with torch (CPU), transformers and safetensors: python benchmarks/peers/golden_mamba.py
"""

import torch
from record import record
from transformers.models.mamba.configuration_mamba import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer


def main() -> None:
    torch.manual_seed(0)
    config = MambaConfig(
        hidden_size=5, state_size=4, expand=2, conv_kernel=3, time_step_rank=2, num_hidden_layers=1, use_mambapy=False
    )
    mixer = MambaMixer(config, layer_idx=0).eval()
    with torch.no_grad():
        for name, parameter in mixer.named_parameters():
            # Away from their regular start, so that no row, channel or sign can be mistaken for another.
            parameter.add_(0.3 * torch.randn_like(parameter) * (0.5 if name == "A_log" else 1.0))
    x = torch.randn(1, 11, 5, requires_grad=True)
    weight = torch.randn(11, 5)
    y = mixer(x)[0]
    (y * weight).sum().backward()
    tensors = {f"mixer.{name}": parameter.detach().numpy() for name, parameter in mixer.named_parameters()}
    tensors |= {f"gradient.{name}": parameter.grad.numpy() for name, parameter in mixer.named_parameters()}
    tensors |= {
        "x": x[0].detach().numpy(),
        "y": y.detach().numpy(),
        "weight": weight.numpy(),
        "gradient.x": x.grad[0].numpy(),
    }
    record("mamba", tensors, ["torch", "transformers"])


if __name__ == "__main__":
    main()
