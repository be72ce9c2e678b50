#!/usr/bin/env python3
"""What small models of every kind of backbone give, in PyTorch.

    tools/golden/make_backbones.py build/release/mrad-weights tests/fixtures/backbones/golden.h5

Each case names the options of mrad-weights, a configuration file to lie beside the weights, settings, side and first block
of the V-V path. The towers below are written from the definitions of open_clip and of transformers' CLIPModel and
Dinov2Model, in the tensors' own names; they share nothing with the program. Stored are class token and patches of one
picture, whose pixels follow from a formula, and of two models the text tower's output and the gradient of its prompts.
Made with torch 1.13; the version is an attribute.
"""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import torch.nn.functional as F

CLIP = "layers=3,embed=48,text_width=64,text_layers=2,context=9,vocab=40"
CASES = {  # options of mrad-weights, file beside the weights, settings, side, first V-V block
    "openai_b32": (f"--names openai --shape patch=32,native_grid=3,width=128,{CLIP}", None, {}, 96, 1),
    "openai_b16": (f"--names openai --seed 2 --shape patch=16,native_grid=4,width=128,{CLIP}", None, {}, 96, 1),
    "hf_l14_336": (f"--names hf --seed 3 --shape patch=14,native_grid=4,width=192,{CLIP}",
                   ("config.json", {"vision_config": {"hidden_act": "quick_gelu", "num_attention_heads": 3}}), {}, 56, 1),
    "open_clip_h14": (f"--names open_clip --seed 4 --shape patch=14,native_grid=4,width=160,{CLIP}",
                      ("open_clip_config.json", {"model_cfg": {"embed_dim": 48, "vision_cfg": {"head_width": 80}}}), {}, 56, 1),
    "hf_h14": (f"--names hf --seed 5 --shape patch=14,native_grid=4,width=160,{CLIP}",
               ("config.json", {"vision_config": {"hidden_act": "gelu", "num_attention_heads": 2}}), {}, 84, 1),
    "openai_bigg14": (f"--names openai --seed 6 --shape patch=14,native_grid=3,width=208,hidden=1024,{CLIP}", None,
                      {"model.activation": "gelu", "model.head_size": 104}, 42, 2),
    "dinov2": ("--names dinov2 --seed 7 --shape patch=14,native_grid=4,width=128,layers=3", None, {}, 56, 1),
    "dinov2_resampled": ("--names dinov2 --seed 7 --shape patch=14,native_grid=4,width=128,layers=3",
                         ("config.json", {"hidden_act": "gelu", "num_attention_heads": 4}), {}, 98, 1),
    "dinov2_registers": ("--names dinov2 --seed 8 --shape patch=14,native_grid=5,width=128,layers=3,registers=4", None, {}, 56, 1),
    "dinov2_fewer": ("--names dinov2 --seed 9 --shape patch=14,native_grid=7,width=64,layers=2,registers=2", None, {}, 42, 1),
    "dinov2_more": ("--names dinov2 --seed 9 --shape patch=14,native_grid=3,width=64,layers=2,registers=2", None, {}, 98, 1),
    "dinov2_plain": ("--names dinov2 --seed 8 --shape patch=14,native_grid=5,width=128,layers=3,registers=4", None, {}, 56, 3),
}
WITH_TEXT = ("hf_l14_336", "open_clip_h14")
MEAN = {"clip": (0.48145466, 0.4578275, 0.40821073), "imagenet": (0.485, 0.456, 0.406)}
STD = {"clip": (0.26862954, 0.26130258, 0.27577711), "imagenet": (0.229, 0.224, 0.225)}


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:8 + n])
    return {k: torch.from_numpy(np.frombuffer(raw[8 + n:], np.float32)[v["data_offsets"][0] // 4:v["data_offsets"][1] // 4]
                                .reshape(v["shape"]).copy()) for k, v in head.items() if k != "__metadata__"}


def picture(side, scale):
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    rgb = ((37 * y + 11 * x * (c + 1) + x * y) % 256).astype(np.float32)
    rgb = torch.from_numpy(rgb).permute(2, 0, 1) / 255
    return (rgb - torch.tensor(MEAN[scale])[:, None, None]) / torch.tensor(STD[scale])[:, None, None]


def attention(q, k, v, heads, mask=None):
    n, d = q.shape
    q, k, v = (t.reshape(len(t), heads, d // heads).transpose(0, 1) for t in (q, k, v))
    a = q @ k.transpose(1, 2) / (d // heads) ** 0.5
    return ((a if mask is None else a + mask).softmax(-1) @ v).transpose(0, 1).reshape(n, d)


def activation(gelu):
    return F.gelu if gelu else lambda x: x * torch.sigmoid(1.702 * x)


class Names:
    """The tensors of a block by role, from each family's own names."""

    def __init__(self, w, family, prefix):
        self.w, self.family, self.prefix = w, family, prefix

    def linear(self, *names):
        """x -> x W^T + b, of one tensor or of several side by side."""
        weight = torch.cat([self.w[f"{self.prefix}{n}weight"] for n in names])
        bias = torch.cat([self.w[f"{self.prefix}{n}bias"] for n in names])
        return lambda x: F.linear(x, weight, bias)

    def norm(self, name, eps):
        return lambda x: F.layer_norm(x, x.shape[-1:], self.w[f"{self.prefix}{name}weight"], self.w[f"{self.prefix}{name}bias"], eps)

    def get(self, name):
        return self.w.get(f"{self.prefix}{name}")


def block(w, family, prefix, gelu, eps):
    """norm1, qkv, out (with layer scale), norm2, mlp (with layer scale)."""
    n = Names(w, family, prefix)
    act = activation(gelu)
    if family == "open_clip":
        qkv = lambda x: F.linear(x, n.get("attn.in_proj_weight"), n.get("attn.in_proj_bias"))
        out, fc, proj = n.linear("attn.out_proj."), n.linear("mlp.c_fc."), n.linear("mlp.c_proj.")
        return n.norm("ln_1.", eps), qkv, out, n.norm("ln_2.", eps), lambda x: proj(act(fc(x)))
    if family == "hf":
        qkv = n.linear(*(f"self_attn.{c}_proj." for c in "qkv"))
        out, fc, proj = n.linear("self_attn.out_proj."), n.linear("mlp.fc1."), n.linear("mlp.fc2.")
        return n.norm("layer_norm1.", eps), qkv, out, n.norm("layer_norm2.", eps), lambda x: proj(act(fc(x)))
    qkv = n.linear(*(f"attention.attention.{c}." for c in ("query", "key", "value")))
    dense, fc, proj = n.linear("attention.output.dense."), n.linear("mlp.fc1."), n.linear("mlp.fc2.")
    first, second = n.get("layer_scale1.lambda1"), n.get("layer_scale2.lambda1")
    return (n.norm("norm1.", eps), qkv, lambda x: dense(x) * first, n.norm("norm2.", eps),
            lambda x: proj(act(fc(x))) * second)


def two_paths(x, blocks, heads, vv_start):
    """The original path, and the V-V path that from block vv_start on only adds attention of values."""
    vv = None
    for i, (norm1, qkv, out, norm2, mlp) in enumerate(blocks):
        if i == vv_start:
            vv = x
        q, k, v = qkv(norm1(x)).chunk(3, -1)
        if vv is not None:
            vv = vv + out(attention(v, v, v, heads))
        x = x + out(attention(q, k, v, heads))
        x = x + mlp(norm2(x))
    return x, x if vv is None else vv


def resample(grid, side, mode, antialias=False):
    """(n, d) positions of a square grid -> (side * side, d)."""
    n = int(len(grid) ** 0.5)
    if n == side:
        return grid
    g = grid.reshape(1, n, n, -1).permute(0, 3, 1, 2)
    return F.interpolate(g, size=(side, side), mode=mode, align_corners=False, antialias=antialias).permute(0, 2, 3, 1).reshape(side * side, -1)


def count(w, prefix):
    return len({k[len(prefix):].split(".")[0] for k in w if k.startswith(prefix)})


def clip_vision(w, family, side, gelu, heads, vv_start):
    hf = family == "hf"
    top = "vision_model." if hf else "visual."
    conv = w[top + ("embeddings.patch_embedding.weight" if hf else "conv1.weight")]
    cls = w[top + ("embeddings.class_embedding" if hf else "class_embedding")]
    pos = w[top + ("embeddings.position_embedding.weight" if hf else "positional_embedding")]
    layers = top + ("encoder.layers." if hf else "transformer.resblocks.")
    n = Names(w, family, top)
    x = F.conv2d(picture(side, "clip")[None], conv, stride=conv.shape[-1]).flatten(2)[0].t()
    x = x + resample(pos[1:], side // conv.shape[-1], "bilinear")
    x = torch.cat([(cls + pos[0])[None], x])
    x = n.norm("pre_layrnorm." if hf else "ln_pre.", 1e-5)(x)
    blocks = [block(w, family, f"{layers}{i}.", gelu, 1e-5) for i in range(count(w, layers))]
    x, vv = two_paths(x, blocks, heads, vv_start)
    proj = w["visual_projection.weight"].t() if hf else w["visual.proj"]
    return x[0] @ proj, n.norm("post_layernorm." if hf else "ln_post.", 1e-5)(vv)[1:]


def dinov2(w, side, heads, vv_start):
    conv = w["embeddings.patch_embeddings.projection.weight"]
    pos = w["embeddings.position_embeddings"][0]
    x = F.conv2d(picture(side, "imagenet")[None], conv, w["embeddings.patch_embeddings.projection.bias"],
                 stride=conv.shape[-1]).flatten(2)[0].t()
    registers = w.get("embeddings.register_tokens", torch.zeros(1, 0, x.shape[1]))[0]
    # transformers' Dinov2WithRegistersModel resamples antialiased, its Dinov2Model does not
    x = x + resample(pos[1:], side // conv.shape[-1], "bicubic", antialias=len(registers) > 0)
    x = torch.cat([w["embeddings.cls_token"][0] + pos[:1], registers, x])
    blocks = [block(w, "dinov2", f"encoder.layer.{i}.", True, 1e-6) for i in range(count(w, "encoder.layer."))]
    x, vv = two_paths(x, blocks, heads, vv_start)
    norm = Names(w, "dinov2", "").norm("layernorm.", 1e-6)
    return norm(x[0]), norm(vv)[1 + len(registers):]


def text(w, family, gelu, prompt, end):
    hf = family == "hf"
    top = "text_model." if hf else ("text." if "text.ln_final.weight" in w else "")
    pos = w[top + ("embeddings.position_embedding.weight" if hf else "positional_embedding")]
    layers = top + ("encoder.layers." if hf else "transformer.resblocks.")
    blocks = [block(w, family, f"{layers}{i}.", gelu, 1e-5) for i in range(count(w, layers))]
    proj = w["text_projection.weight"].t() if hf else w[top + "text_projection"]
    final = Names(w, family, top).norm("final_layer_norm." if hf else "ln_final.", 1e-5)
    rows = []
    for x, at in zip(prompt, end):
        x = x + pos[:len(x)]
        mask = torch.full((len(x), len(x)), float("-inf")).triu(1)
        for norm1, qkv, out, norm2, mlp in blocks:
            x = x + out(attention(*qkv(norm1(x)).chunk(3, -1), x.shape[1] // 64, mask))
            x = x + mlp(norm2(x))
        rows.append(final(x[at]) @ proj)
    return torch.stack(rows)


def add_text(group, w, family, gelu):
    rng = torch.Generator().manual_seed(5)
    prompt = (torch.randn(2, 7, 64, generator=rng) * 0.1).requires_grad_()
    end = [6, 4]
    out = text(w, family, gelu, prompt, end)
    grad = torch.randn(out.shape, generator=rng)
    (out * grad).sum().backward()
    for name, value in (("prompt", prompt.detach()), ("out", out.detach()), ("grad_out", grad), ("grad_prompt", prompt.grad)):
        group[f"text/{name}"] = value.numpy()
    group["text/end"] = np.array(end, np.int32)


def main():
    generator, path = sys.argv[1:]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with h5py.File(path, "w") as out, tempfile.TemporaryDirectory() as folder:
        out.attrs["torch"] = str(torch.__version__)
        for name, (options, beside, settings, side, vv_start) in CASES.items():
            weights = f"{folder}/{name}.safetensors"
            subprocess.run([generator, "--out", weights, *options.split()], check=True)
            w = read_safetensors(weights)
            family = name.split("_")[0]
            family = {"hf": "hf", "dinov2": "dinov2"}.get(family, "open_clip")
            gelu = family == "dinov2" or "h14" in name or "bigg" in name
            width = w[next(k for k in w if k.endswith(("class_embedding", "cls_token")))].shape[-1]
            heads = {"open_clip_h14": 2, "hf_h14": 2, "openai_bigg14": 2, "dinov2_resampled": 4}.get(name, width // 64)
            g = out.create_group(name)
            texts = {"options": options, "settings": " ".join(f"{k}={v}" for k, v in settings.items())}
            if beside:
                texts.update(file=beside[0], content=json.dumps(beside[1]))
            for key, value in texts.items():
                g.attrs[key] = np.bytes_(value or " ")
            g.attrs["side"], g.attrs["vv_start"] = np.int64(side), np.int64(vv_start)
            cls, patch = dinov2(w, side, heads, vv_start) if family == "dinov2" else clip_vision(w, family, side, gelu, heads, vv_start)
            g["cls"], g["patch"] = cls.numpy(), patch.numpy()
            if name in WITH_TEXT:
                add_text(g, w, family, gelu)
            print(name, tuple(cls.shape), tuple(patch.shape))


if __name__ == "__main__":
    main()
