"""Outputs and last states of s5-pytorch's S5SSM, both discretisations, with steps that differ from row to row.

python benchmarks/peers/golden_s5.py, in an environment with s5-pytorch, torch, scipy, einops and safetensors.
"""

import numpy as np
import torch
from record import record
from s5.s5_model import S5SSM

DIM, MODES, TIME = 3, 4, 10


def main() -> None:
    torch.manual_seed(0)
    Lambda = torch.complex(-torch.rand(MODES) - 0.1, 4 * torch.randn(MODES))
    identity = torch.eye(MODES, dtype=torch.complex64)
    x, state = torch.randn(TIME, DIM), torch.randn(MODES, dtype=torch.complex64)
    dt = 0.2 + 2 * torch.rand(TIME)
    tensors = {"x": x, "state": torch.view_as_real(state).T, "dt": dt}
    for method in ("zoh", "bilinear"):
        torch.manual_seed(1)
        layer = S5SSM(Lambda, identity, identity, DIM, MODES, 0.05, 0.5, discretization=method, bcInit="dense")
        y, last = layer(x, step_scale=dt, state=state, return_state=True)
        tensors |= {f"{method}.y": y, f"{method}.last": torch.view_as_real(last).T}
    weights = {"rate": -Lambda.real, "frequency": Lambda.imag, "step_log": layer.log_step, "D": layer.D}
    B, C = layer.B.permute(2, 0, 1), torch.view_as_real(layer.C.detach()).permute(2, 0, 1)
    tensors |= weights | {"B": B, "C": C}
    record("s5", {k: v.detach().numpy().astype(np.float32) for k, v in tensors.items()}, ["s5-pytorch", "torch"])


if __name__ == "__main__":
    main()
