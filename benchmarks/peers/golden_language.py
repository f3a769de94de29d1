"""Tiny random language models as transformers saves them, with their logits, for tests/nets/test_huggingface.py.

Runs in an environment of its own with torch, transformers and safetensors: python golden_language.py
"""

import json
from copy import deepcopy

import torch
from record import FOLDER, record
from safetensors.torch import load_file, save_file
from transformers import Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM, PreTrainedModel

LENGTH, VOCABULARY = 13, 19
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 8, "state_size": 4, "num_hidden_layers": 2, "expand": 2}
OWN_TO_A_RUN = ("_name_or_path", "transformers_version")


def main() -> None:
    """Mamba with a tied head, Mamba-2 with one of its own, both also without convolution bias; then rarer options."""
    torch.manual_seed(0)
    first = MambaConfig(**SIZES, conv_kernel=3, time_step_rank=2, layer_norm_epsilon=1e-3, use_mambapy=False)
    second = Mamba2Config(**SIZES, conv_kernel=4, num_heads=2, head_dim=8, n_groups=2, chunk_size=4)
    write("huggingface_mamba", MambaForCausalLM(first))
    write("huggingface_mamba2", Mamba2ForCausalLM(second))
    options = {"use_bias": True, "layer_norm_epsilon": 1e-3}
    heads = {"num_heads": 2, "head_dim": 8, "n_groups": 2, "chunk_size": 4, "time_step_limit": (0.3, 1.2)}
    write("huggingface_mamba_options", MambaForCausalLM(MambaConfig(**SIZES, **options, time_step_rank=2)))
    write("huggingface_mamba2_options", Mamba2ForCausalLM(Mamba2Config(**SIZES, **options, **heads)))


def write(name: str, model: PreTrainedModel) -> None:
    """The folder of `model`, and beside it tokens and logits."""
    model.eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            # Away from their regular start, so that no row, channel or sign can be mistaken for another.
            weight.add_((0.2 if "A_log" in key else 0.4) * torch.randn_like(weight))
    tokens = torch.randint(VOCABULARY, (1, LENGTH))
    without = deepcopy(model)
    with torch.no_grad():
        for key, weight in without.named_parameters():
            weight.mul_(0.0 if key.endswith("conv1d.bias") else 1.0)
        logits, logits_without = model(tokens).logits[0], without(tokens).logits[0]
    save(name, model)
    tensors = {"tokens": tokens[0], "logits": logits, "logits_without_conv_bias": logits_without}
    record(name, {key: value.numpy() for key, value in tensors.items()}, ["torch", "transformers"])


def save(name: str, model: PreTrainedModel) -> None:
    """What `save_pretrained` writes, but for what is not read and what belongs to this run."""
    folder = FOLDER / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config = {key: value for key, value in config.items() if key not in OWN_TO_A_RUN}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
