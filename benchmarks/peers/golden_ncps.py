"""The cells CfC and LTC of ncps with time gaps: python golden_ncps.py, with ncps, torch and safetensors."""

import torch
from ncps.torch import CfCCell, LTCCell
from ncps.wirings import FullyConnected
from record import record

DIM, LENGTH = 4, 9
PACKAGES = ["ncps", "torch", "numpy"]


def run(cell, x, dt, elapsed):
    """Outputs row by row from a state of zeros."""
    state, y = torch.zeros(1, DIM), []
    for x_t, dt_t in zip(x, dt, strict=True):
        y_t, state = cell(x_t[None], state, elapsed(dt_t))
        y.append(y_t[0])
    return torch.stack(y)


@torch.no_grad()
def main() -> None:
    """Weights, inputs, gaps, outputs: CfC in three modes with and without a backbone, LTC with positive constraints."""
    torch.manual_seed(0)
    x, dt = torch.randn(LENGTH, DIM), torch.rand(LENGTH) * 3 + 0.05
    rows, tensors = {"x": x, "dt": dt}, {}
    for mode in ("default", "no_gate", "pure"):
        for depth in (0, 2):
            cell = CfCCell(DIM, DIM, mode=mode, backbone_units=6, backbone_layers=depth)
            for weight in cell.parameters():
                weight += 0.3 * torch.randn_like(weight)
            name = f"{mode}.{depth}"
            tensors |= {f"{name}.{key}": value for key, value in cell.named_parameters()}
            tensors[f"{name}.y"] = run(cell, x, dt, lambda dt_t: dt_t)
    record("cfc", {k: v.numpy() for k, v in {**rows, **tensors}.items()}, PACKAGES)
    cell = LTCCell(
        FullyConnected(DIM), DIM, input_mapping="affine", output_mapping="affine", implicit_param_constraints=True
    )
    for name in ("input_w", "input_b", "output_w", "output_b"):
        getattr(cell, name).add_(0.3 * torch.randn(DIM))
    weights = {key: value for key, value in cell.named_parameters() if "mask" not in key}
    tensors = {**rows, **weights, "y": run(cell, x, dt, lambda dt_t: dt_t)}
    record("ltc", {k: v.numpy() for k, v in tensors.items()}, PACKAGES)


if __name__ == "__main__":
    main()
