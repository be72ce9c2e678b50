#!/usr/bin/env python3
"""Load what tests/cli/write_torch.c wrote with torch.load, plain and with weights_only, and compare.

  check_torch.py FOLDER
"""
import sys

import torch


def ramp(first, *shape):
    n = int(torch.Size(shape).numel())
    return ((torch.arange(n) % 251).float() / 8 - first).reshape(shape)


want = {
    "cache_model.pt": {"keys": ramp(1, 300, 768), "values": ramp(2, 300, 2)},
    "heads.pth": {"image_proj": {"mlp1.weight": ramp(3, 4, 6), "mlp1.bias": ramp(4, 6)},
                  "prompt_learner": {"ctx_pos": ramp(5, 1, 1, 2, 3), "inner": {"empty": torch.zeros(0, 3)}},
                  "scale": ramp(6), "steps": torch.tensor([-5, 1 << 40])},
}


def compare(a, b, name):
    if isinstance(b, dict):
        if type(a) is not dict or list(a) != list(b):
            return [f"{name}: {type(a).__name__} {list(a)}, wanted {list(b)}"]
        return [e for k in b for e in compare(a[k], b[k], f"{name}[{k!r}]")]
    if a.dtype != b.dtype or a.shape != b.shape or not torch.equal(a, b) or not a.is_contiguous():
        return [f"{name}: {a.dtype} {tuple(a.shape)}, wanted {b.dtype} {tuple(b.shape)}, or other values"]
    return []


bad = []
for name, tree in want.items():
    for how in ({}, {"weights_only": True}):
        bad += compare(torch.load(f"{sys.argv[1]}/{name}", **how), tree, f"{name} {how}")
print("\n".join(bad) or f"torch {torch.__version__} reads both files")
sys.exit(bool(bad))
