#!/usr/bin/env python3
"""Encode the first images of the fixture tiny with weights rounded to 16 bits.

    PYTHONPATH=FOLDER_OF_mrad_ref.py tools/golden/make_f16.py tests/fixtures/tiny

Reads the sizes from golden.h5, makes the weights by the rule of the executable specification, and
writes f16.h5: groups f16 and bf16, each with cls, patch and patch_proj of the first two images of A
after every weight went through that type. Made with torch 1.13; the version is an attribute.
"""
import json
import sys
from dataclasses import fields
from pathlib import Path

import h5py
import torch

import mrad_ref as R

N_IMAGES = 2

folder = Path(sys.argv[1])
with h5py.File(folder / "golden.h5") as golden:
    sizes = golden["shape"].attrs
    shape = R.Shape(**{f.name: int(sizes[f.name]) for f in fields(R.Shape)})
weights = R.random_weights(shape)
entries = [e for c in json.loads((folder / "A/meta.json").read_text())["test"].values() for e in c]
images = torch.stack([R.load_image(folder / "A" / e["img_path"], shape.image)
                      for e in entries[:N_IMAGES]])
with h5py.File(folder / "f16.h5", "w") as out:
    out.attrs["torch"] = str(torch.__version__)
    for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
        rounded = {k: v.to(dtype).float() for k, v in weights.items()}
        for key, value in zip(("cls", "patch", "patch_proj"), R.encode_image(images, rounded, shape)):
            out[f"{name}/{key}"] = value.numpy()
