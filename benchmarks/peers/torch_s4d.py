"""The peer of s4d.py: S4D in plain PyTorch, kernel by a broadcast Vandermonde product, convolution by FFT.

Runs in an environment of its own with torch: python torch_s4d.py BATCH TIME WIDTH STATE REPEATS; prints milliseconds.
STATE counts the order of the real system: STATE / 2 conjugate pairs.
"""

import json
import math
import sys
import time

import torch
from torch import nn


class S4D(nn.Module):
    """The layer alone: no dropout, activation or mixing of channels."""

    def __init__(self, width: int, state: int):
        super().__init__()
        pairs = state // 2
        self.log_step = nn.Parameter(torch.empty(width).uniform_(math.log(1e-3), math.log(1e-1)))
        self.log_decay = nn.Parameter(torch.full((width, pairs), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(pairs).expand(width, pairs).clone())
        self.c = nn.Parameter(torch.randn(width, pairs, 2) * 0.5**0.5)
        self.d = nn.Parameter(torch.randn(width))

    def kernel(self, length: int) -> torch.Tensor:
        """Zero-order hold of A = -exp(log_decay) + i frequency with B = 1, as (width, length)."""
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        z = a * self.log_step.exp()[:, None]
        c = torch.view_as_complex(self.c) * (z.exp() - 1) / a
        powers = torch.exp(z[..., None] * torch.arange(length))
        return 2 * torch.einsum("hn,hnl->hl", c, powers).real

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """(batch, width, length) to the same."""
        length = u.shape[-1]
        k = torch.fft.rfft(self.kernel(length), n=2 * length)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * length) * k, n=2 * length)[..., :length]
        return y + u * self.d[:, None]


def main() -> None:
    """Fastest of the repeats: forward, and forward with the gradients of weights and input."""
    batch, length, width, state, repeats = map(int, sys.argv[1:])
    torch.manual_seed(0)
    layer, u = S4D(width, state), torch.randn(batch, width, length, requires_grad=True)
    forward, both = [], []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        with torch.no_grad():
            layer(u)
        middle = time.perf_counter()
        layer.zero_grad()
        u.grad = None
        (layer(u) ** 2).sum().backward()
        forward.append(middle - started)
        both.append(time.perf_counter() - middle)
    found = {"forward": 1e3 * min(forward[2:]), "both": 1e3 * min(both[2:]), "torch": torch.__version__}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
