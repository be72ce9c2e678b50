#!/usr/bin/env python3
"""Check an exported demo model without the engine's code.

  check.py --model configs/models/demo-clip --data DIR [--store STORE] [--reference shared/reference]

Plain PyTorch loads all tensors by name; the text "flawless object" against "damaged object" scores the
pictures of DIR (`mrad-synth --part benchmark`) by the class token alone; with --store, features that the
engine wrote for the sets of DIR are compared with the executable specification's.
"""
import argparse
import glob
import json
import sys

import numpy as np
import torch

import bpe as vocabulary
import pictures
import prompts
import validate
from model import Clip, unit

SIDE = 336  # of the encoder's input, as in jobs/demo.json


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    out = {}
    for name, t in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            values = np.frombuffer(raw[8 + n + a:8 + n + b], {"F16": np.float16, "F32": np.float32}[t["dtype"]])
            out[name] = torch.from_numpy(values.reshape(t["shape"]).astype(np.float32))
    return out


def load(folder):
    """The model with every tensor in its place (a missing, spare or mis-shaped one is an error), the vocabulary."""
    state = read_safetensors(f"{folder}/model.safetensors")
    merges = [tuple(m.split()) for m in open(f"{folder}/merges.txt", encoding="utf-8").read().split("\n")[1:] if m]
    bpe = vocabulary.Bpe(merges)
    if bpe.vocab != json.load(open(f"{folder}/vocab.json")):
        raise SystemExit(f"{folder}: vocab.json is not what merges.txt makes")
    layers = len({n.split(".")[3] for n in state if n.startswith("visual.transformer")})
    model = Clip(len(bpe.vocab), layers=layers)
    model.load_state_dict(state, strict=True)
    print(f"{len(state)} tensors, {sum(t.numel() for t in state.values())} numbers, vocabulary {len(bpe.vocab)}")
    return model.eval(), bpe, state


@torch.no_grad()
def zero_shot(model, bpe, data):
    """I-AUROC of each class and its mean over sets (of the means over their classes)."""
    ids, end = prompts.batch(bpe, prompts.FIXED)
    text = unit(model.encode_text(ids, end))
    items = pictures.read_items(data)
    of_set = {}
    for family in sorted({i["family"] for i in items}):
        own = [i for i in items if i["family"] == family]
        pixels = np.stack([pictures.read_picture(i) for i in own])
        cls, _, _ = validate.features(model, pixels, SIDE)
        score = cls @ (text[1] - text[0])
        value = 100 * validate.auroc(score, [i["label"] for i in own])
        of_set.setdefault(own[0]["base"], []).append(value)
        print(f"  {family:12} I-AUROC {value:.1f}")
    print(f"zero-shot I-AUROC, mean over sets: {np.mean([np.mean(v) for v in of_set.values()]):.1f}")


def compare(state, data, store, reference):
    """Largest difference of the engine's features from the specification's, as a share of the largest value."""
    import h5py
    sys.path.insert(0, reference)
    import mrad_ref
    layers = len({n.split(".")[3] for n in state if n.startswith("visual.transformer")})
    shape = mrad_ref.Shape(image=SIDE, patch=16, native_grid=14, width=192, layers=layers, embed=128)
    for folder in sorted(glob.glob(f"{store}/features/*/*")):
        name = folder.split("/")[-2]
        meta = json.load(open(f"{data}/{name}/meta.json"))["test"]
        paths = [i["img_path"] for items in meta.values() for i in items]
        worst = [0.0, 0.0]
        at = 0
        for shard in sorted(glob.glob(f"{folder}/shard-*.h5")):
            with h5py.File(shard) as f:
                got = [torch.from_numpy(f[k][...].astype(np.float32)) for k in ("cls", "patch")]
            for i in range(0, len(got[0]), 7):
                x = mrad_ref.load_image(f"{data}/{name}/{paths[at + i]}", SIDE)[None]
                want = mrad_ref.encode_image(x, state, shape)
                for k in range(2):
                    d = (got[k][i] - want[k][0]).abs().max() / want[k][0].abs().max()
                    worst[k] = max(worst[k], float(d))
            at += len(got[0])
        print(f"  {name}: cls {worst[0]:.1e}, patch {worst[1]:.1e} (share of the largest value)")
        if not max(worst) < 1e-4:
            raise SystemExit(f"{folder}: features differ by {max(worst)}, wanted < 1e-4")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--store")
    p.add_argument("--reference", default="../shared/reference")
    args = p.parse_args()
    model, bpe, state = load(args.model)
    zero_shot(model, bpe, args.data)
    if args.store:
        compare(state, args.data, args.store, args.reference)


if __name__ == "__main__":
    main()
