"""The peer of against_torch.py: the same alternator as a plain loop over time in PyTorch; prints milliseconds a step.

Runs in an environment of its own with torch and numpy: python torch_alternator.py TIME OBS LATENT WIDTH DEPTH REPEATS
"""

import itertools
import json
import sys
import time

import torch
from torch import nn

ALPHA, SIGMA_X, SIGMA_Z = 0.7, 0.2, 0.14


def mlp(inner: int, outer: int, width: int, depth: int) -> nn.Sequential:
    """Linear, GELU, ..., linear."""
    widths = [inner, *[width] * depth, outer]
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.GELU(approximate="tanh")]
    return nn.Sequential(*layers[:-1])


def loss(f: nn.Module, g: nn.Module, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Trajectory cross-entropy, one network call of f and g for every time step."""
    carry = (1 - ALPHA - SIGMA_Z**2) ** 0.5
    mean = torch.zeros(target.shape[1])
    known = torch.zeros(target.shape[1])
    total = torch.zeros(())
    for row, now in zip(x, target, strict=True):
        x_mean = (1 - SIGMA_X**2) ** 0.5 * f(known + SIGMA_Z * torch.randn_like(known))
        mean = ALPHA**0.5 * g(row) + carry * mean
        total = total + ((now - mean) ** 2).mean() + (SIGMA_Z / SIGMA_X) ** 2 * ((row - x_mean) ** 2).mean()
        known = now
    return total / len(x)


def main() -> None:
    """Time the forward and backward pass, and the whole optimiser step."""
    length, obs, latent, width, depth, repeats = map(int, sys.argv[1:])
    torch.manual_seed(0)
    f, g = mlp(latent, obs, width, depth), mlp(obs, latent, width, depth)
    optimiser = torch.optim.AdamW([*f.parameters(), *g.parameters()], lr=1e-3)
    x, target = torch.randn(length, obs), torch.randn(length, latent)
    times = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        optimiser.zero_grad()
        loss(f, g, x, target).backward()
        middle = time.perf_counter()
        optimiser.step()
        times.append((middle - started, time.perf_counter() - started))
    kept = sorted(times[2:])
    parameters = sum(p.numel() for p in [*f.parameters(), *g.parameters()])
    gradient, step = kept[len(kept) // 2]
    found = {"ms": 1e3 * gradient, "step_ms": 1e3 * step, "parameters": parameters, "torch": torch.__version__}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
