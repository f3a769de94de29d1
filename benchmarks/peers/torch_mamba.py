"""The peer of selective_scan.py: the scan of mambapy (a Blelloch prefix in PyTorch), forward and with gradients.

Runs in an environment of its own with torch and mambapy: python torch_mamba.py BATCH TIME WIDTH STATE REPEATS; prints
milliseconds.
"""

import json
import sys
import time
from importlib.metadata import version

import torch
from mambapy.mamba import MambaBlock


def main() -> None:
    """Fastest of the repeats: forward, and forward with the gradients of everything it is given."""
    batch, length, width, state, repeats = map(int, sys.argv[1:])
    torch.manual_seed(0)
    u, cotangent = torch.randn(2, batch, length, width)
    delta = torch.empty(batch, length, width).uniform_(1e-3, 1e-1)
    rates = -torch.arange(1.0, state + 1).repeat(width, 1)
    inputs, readout = torch.randn(2, batch, length, state)
    given = [v.clone().requires_grad_() for v in (u, delta, rates, inputs, readout, torch.ones(width))]
    forward, both = [], []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with torch.no_grad():
            MambaBlock.selective_scan(None, *given)
        middle = time.perf_counter()
        torch.autograd.grad((MambaBlock.selective_scan(None, *given) * cotangent).sum(), given)
        forward.append(middle - started)
        both.append(time.perf_counter() - middle)
    versions = f"mambapy {version('mambapy')}, torch {torch.__version__}"
    json.dump({"forward": 1e3 * min(forward[1:]), "both": 1e3 * min(both[1:]), "versions": versions}, sys.stdout)


if __name__ == "__main__":
    main()
