"""The CLIP that is trained: OpenAI's tensor names, and the two-path image encoder that the engine runs.

Shapes: B batch, S image side, P patch, G = S / P grid side, N = G * G patches, D vision width,
E joint width, T text width. Blocks have heads of 64 columns and QuickGELU.
"""
import json
import math
import struct

import torch
import torch.nn as nn
import torch.nn.functional as F

HEAD = 64


def attend(q, k, v, causal=False):
    """Rows (B, n, W) -> (B, n, W): softmax attention in heads of 64 columns."""
    q, k, v = (t.unflatten(-1, (-1, HEAD)).transpose(1, 2) for t in (q, k, v))
    if hasattr(F, "scaled_dot_product_attention"):
        o = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    else:
        a = q @ k.transpose(-1, -2) * HEAD ** -0.5
        if causal:
            a = a + torch.full(a.shape[-2:], float("-inf")).triu(1)
        o = a.softmax(-1) @ v
    return o.transpose(1, 2).flatten(2)


def project(x, matrix):
    """The last product in float32, also where the rest is computed in bfloat16."""
    with torch.autocast("cpu", enabled=False):
        return x.float() @ matrix


class Attention(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width ** -0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.out_proj.weight, std=width ** -0.5 * (2 * layers) ** -0.5)
        nn.init.zeros_(self.out_proj.bias)

    def qkv(self, x):
        return F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)


class Mlp(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)
        nn.init.normal_(self.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.c_proj.weight, std=width ** -0.5 * (2 * layers) ** -0.5)

    def forward(self, x):
        h = self.c_fc(x)
        return self.c_proj(h * torch.sigmoid(1.702 * h))


class Block(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.attn = Attention(width, layers)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width, layers)
        self.ln_2 = nn.LayerNorm(width)


class Transformer(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, layers) for _ in range(layers))


class Vision(nn.Module):
    def __init__(self, patch, native_grid, width, layers, embed):
        super().__init__()
        self.patch, self.native_grid = patch, native_grid
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width ** -0.5)
        self.positional_embedding = nn.Parameter(torch.randn(native_grid ** 2 + 1, width) * 0.02)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, layers)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, embed) * width ** -0.5)
        self.depth = layers
        self.structure()

    @torch.no_grad()
    def structure(self):
        """A start that sees deviations, so that little training does.

        Three of four columns are cosine coefficients of the patch in brightness and two colour
        differences, about white. The others are constant, so that layer norm keeps contrast. Block 0
        takes the picture's mean off the coefficients, block 1 a part of the mean of what block 0's MLP
        made of them. Later blocks begin as identities and may be left out (`depth`).
        """
        p, width = self.patch, self.conv1.weight.shape[0]
        n = width * 3 // 4
        k = torch.arange(p).float()
        wave = torch.cos(math.pi * (k[None] + 0.5) * k[:, None] / p) * (2 / p) ** 0.5
        wave[0] *= 0.5 ** 0.5
        tones = unit(torch.tensor([[1.0, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]]))
        order = sorted((i * i + j * j, i, j) for i in range(p) for j in range(p))
        share = (n // 2, n // 4, n - n // 2 - n // 4)
        self.conv1.weight.zero_()
        row = 0
        for tone, count in zip(tones, share):
            for f2, i, j in order[:count]:
                gain = (0.09 if f2 == 0 else min(0.2 * f2 ** 0.5, 1)) * (1 if count == n // 2 else 2)
                self.conv1.weight[row] = gain * torch.einsum("c,y,x->cyx", tone, wave[i], wave[j])
                row += 1
        sign = torch.tensor([1.0, -1.0]).repeat(width // 2)
        self.positional_embedding[:, n:] = sign[n:]
        for i, block in enumerate(self.transformer.resblocks):
            a = block.attn
            if i < 2:
                seen = torch.ones(width)
                seen[n:] = i
                a.in_proj_weight[:2 * width] *= 0.3
                a.in_proj_weight[2 * width:] = torch.diag(seen) + 0.02 * torch.randn(width, width)
                a.out_proj.weight.copy_(torch.diag(seen) * (-0.4 if i else -0.9) + 0.02 * torch.randn(width, width))
                block.mlp.c_fc.weight *= 2
            else:
                a.out_proj.weight.zero_()
                block.mlp.c_proj.weight.zero_()
                block.mlp.c_proj.bias.zero_()

    def position(self, grid):
        """(N+1, D): the stored grid resampled bilinearly, as the engine does."""
        pos = self.positional_embedding
        if grid == self.native_grid:
            return pos
        g = pos[1:].reshape(1, self.native_grid, self.native_grid, -1).permute(0, 3, 1, 2)
        g = F.interpolate(g, (grid, grid), mode="bilinear", align_corners=False)
        return torch.cat([pos[:1], g.flatten(2).transpose(1, 2)[0]], 0)

    def forward(self, x):
        """x (B,3,S,S) -> cls (B,E) without ln_post, patch (B,N,D): ln_post of the V-V path.

        From block 1 on the V-V path only adds the attention of the values among themselves,
        computed from the original path's normalised input.
        """
        b, _, s, _ = x.shape
        g, p = s // self.patch, self.patch
        x = x.reshape(b, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(b, g * g, -1)
        t = F.linear(x, self.conv1.weight.flatten(1))
        t = torch.cat([self.class_embedding.to(t.dtype).expand(b, 1, -1), t], 1) + self.position(g)
        ori, vv = self.ln_pre(t), None
        for i, block in enumerate(self.transformer.resblocks[:self.depth]):
            q, k, v = block.attn.qkv(block.ln_1(ori))
            if i > 0:
                vv = vv + block.attn.out_proj(attend(v, v, v))
            ori = ori + block.attn.out_proj(attend(q, k, v))
            ori = ori + block.mlp(block.ln_2(ori))
            if i == 0:
                vv = ori
        return project(ori[:, 0], self.proj), self.ln_post(vv)[:, 1:].float()


class Clip(nn.Module):
    def __init__(self, vocab, patch=16, native_grid=14, width=192, layers=6, embed=128,
                 text_width=128, text_layers=3, context=77):
        super().__init__()
        self.visual = Vision(patch, native_grid, width, layers, embed)
        self.token_embedding = nn.Embedding(vocab, text_width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.positional_embedding = nn.Parameter(torch.randn(context, text_width) * 0.01)
        self.transformer = Transformer(text_width, text_layers)
        self.ln_final = nn.LayerNorm(text_width)
        self.text_projection = nn.Parameter(torch.randn(text_width, embed) * text_width ** -0.5)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_embedded(self, x, end, deep=None):
        """x (R,n,T) token embeddings, end (R) -> (R,E). deep: what replaces rows 1.. of layers 1.."""
        x = x + self.positional_embedding[:x.shape[1]]
        for i, block in enumerate(self.transformer.resblocks):
            if deep is not None and 0 < i <= len(deep):
                d = deep[i - 1].to(x.dtype).expand(x.shape[0], -1, -1)
                x = torch.cat([x[:, :1], d, x[:, 1 + d.shape[1]:]], 1)
            x = x + block.attn.out_proj(attend(*block.attn.qkv(block.ln_1(x)), causal=True))
            x = x + block.mlp(block.ln_2(x))
        x = self.ln_final(x[torch.arange(len(x)), end])
        return project(x, self.text_projection)

    def encode_text(self, ids, end):
        return self.encode_embedded(self.token_embedding(ids), end)


def average_neighbor(x):
    """(B,N,C) -> the same: mean of 1x1, 3x3 and 5x5 average pools, zero padding counted."""
    b, n, c = x.shape
    g = math.isqrt(n)
    m = x.transpose(1, 2).reshape(b, c, g, g)
    m = (m + F.avg_pool2d(m, 3, 1, 1) + F.avg_pool2d(m, 5, 1, 2)) / 3
    return m.flatten(2).transpose(1, 2)


def unit(x):
    return F.normalize(x, dim=-1)


def save_safetensors(path, tensors):
    """float16, names sorted; the form is 8 bytes of length, a JSON header, the data."""
    head, chunks, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        raw = tensors[name].detach().to(torch.float16).contiguous().numpy().tobytes()
        head[name] = {"dtype": "F16", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(raw)]}
        chunks.append(raw)
        at += len(raw)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
