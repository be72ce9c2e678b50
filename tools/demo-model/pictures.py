"""Pictures with masks: read once, cut, turned, recoloured; textures and defects drawn on the fly.

A batch is float (B,3,S,S) in 0..1 with masks (B,1,S,S) of 0/1. Everything random comes from the
generators that are handed in, so that a step's batch depends on the seed and the step alone.
"""
import glob
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073))[:, None, None]
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711))[:, None, None]


def read_items(root):
    """Lines of all captions.jsonl below root. A class is a family; `base` is the folder that paths start at."""
    items = []
    for path in sorted(glob.glob(f"{root}/**/captions.jsonl", recursive=True)):
        with open(path) as f:
            for line in f:
                item = json.loads(line)
                item["base"] = os.path.dirname(path)
                item["family"] = item["class"]
                items.append(item)
    if not items:
        raise SystemExit(f"{root}: no captions.jsonl below it")
    return items


def read_picture(item):
    """uint8 (H,W,4): colours and mask."""
    rgb = np.asarray(Image.open(f"{item['base']}/{item['image']}").convert("RGB"))
    mask = np.zeros(rgb.shape[:2], np.uint8)
    if item["mask"]:
        mask[np.asarray(Image.open(f"{item['base']}/{item['mask']}").convert("L")) > 0] = 255
    return np.dstack([rgb, mask])


def read_pixels(items, cache, side=224):
    """uint8 (n, side, side, 4): colours and mask, in a memory-mapped .npy that is made once."""
    if not os.path.exists(cache):
        out = np.lib.format.open_memmap(cache + ".part", "w+", np.uint8, (len(items), side, side, 4))
        for row, item in zip(out, items):
            row[...] = read_picture(item)
        out.flush()
        os.rename(cache + ".part", cache)
    pixels = np.load(cache, mmap_mode="r")
    if len(pixels) != len(items):
        raise SystemExit(f"{cache}: {len(pixels)} pictures, wanted {len(items)}; delete it to make it again")
    return pixels


def normalise(x):
    return (x - MEAN) / STD


# ---------------------------------------------------------------- geometry

def centre_of(rng, mask):
    """A place in -1..1: near a random pixel of the mask, else anywhere."""
    ys, xs = np.nonzero(mask[::4, ::4])
    if len(xs) and rng.random() < 0.75:
        k = rng.integers(len(xs))
        jitter = rng.normal(0, 0.15, 2)
        side = mask.shape[0] / 4
        return (xs[k] + 0.5) / side * 2 - 1 + jitter[0], (ys[k] + 0.5) / side * 2 - 1 + jitter[1]
    return tuple(rng.uniform(-1, 1, 2))


def cut(rng, pixels, side):
    """uint8 (B,H,H,4) -> (B,3,side,side), (B,1,side,side): a window, turned, flipped, scaled."""
    n, full = pixels.shape[:2]
    theta = np.zeros((n, 2, 3), np.float32)
    share = side / full
    for i in range(n):
        zoom = share * rng.uniform(0.7, 1.35) if share < 1 and rng.random() < 0.75 else rng.uniform(0.6, 1.0) ** 0.5
        angle = np.pi / 2 * rng.integers(4) + (rng.uniform(-0.5, 0.5) if rng.random() < 0.3 else 0)
        flip, stretch = (-1 if rng.random() < 0.5 else 1), np.exp(rng.normal(0, 0.08))
        c, s = np.cos(angle) * zoom, np.sin(angle) * zoom
        theta[i, :, :2] = [[c * flip * stretch, -s / stretch], [s * flip * stretch, c / stretch]]
        room = 1 - zoom
        theta[i, :, 2] = np.clip(centre_of(rng, pixels[i, ..., 3]), -room, room)
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    grid = F.affine_grid(torch.from_numpy(theta), (n, 4, side, side), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return x[:, :3], (x[:, 3:] > 0.5).float()


# ------------------------------------------------------- fields and textures

def field(rng, side, cells):
    """(side, side) smooth noise, mean 0, deviation about 1, features of side / cells."""
    low = torch.from_numpy(rng.standard_normal((1, 1, cells + 3, cells + 3)).astype(np.float32))
    at = rng.integers(0, side // cells + 1, 2)
    big = F.interpolate(low, size=side + 2 * (side // cells) + 2, mode="bicubic", align_corners=False)
    return big[0, 0, at[0]:at[0] + side, at[1]:at[1] + side]


def texture(rng, side):
    """(3, side, side): gratings and filtered noise between two or three random colours."""
    f = np.fft.fftfreq(side) * 224
    fx, fy = np.meshgrid(f, f)
    total = np.zeros((side, side))
    for _ in range(rng.integers(1, 4)):
        angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 1.8))
        u = (fx * np.cos(angle) + fy * np.sin(angle)) * stretch
        v = -fx * np.sin(angle) + fy * np.cos(angle)
        radius = np.hypot(u, v)
        at = np.exp(rng.uniform(np.log(4), np.log(60)))
        band = np.exp(-((radius - at) / (at * rng.uniform(0.05, 0.8))) ** 2)
        if rng.random() < 0.4:  # a grating: few waves, so that it repeats
            keep = band * (np.abs(v) < 224 / side * rng.integers(1, 3))
            band = keep if keep.max() > 0.05 else band
        wave = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) * band).real
        total += wave / (wave.std() + 1e-6) * rng.uniform(0.3, 1)
    total = total / (total.std() + 1e-6)
    kind = rng.random()
    if kind < 0.35:
        total = np.tanh(total * rng.uniform(2, 8))
    elif kind < 0.5:
        total = np.abs(total) - 0.8
    weight = torch.from_numpy((1 / (1 + np.exp(-1.5 * total))).astype(np.float32))
    a, b = (torch.from_numpy(rng.uniform(0.05, 0.95, 3).astype(np.float32))[:, None, None] for _ in range(2))
    return a * weight + b * (1 - weight)


# ----------------------------------------------------------------- defects

def blob(rng, side):
    """(side, side) bool: a ragged round place."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    cx, cy = rng.uniform(0.08, 0.92, 2) * side
    r = np.exp(rng.uniform(np.log(6), np.log(44)))
    angle, ratio = rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.35))
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    q = (u / ratio) ** 2 + (v * ratio) ** 2
    return q / r ** 2 + field(rng, side, max(2, int(side / (r * rng.uniform(0.5, 1.5))))) * rng.uniform(0, 0.6) < 1


def stroke(rng, side):
    """(side, side) bool: a bent line."""
    y, x = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")
    p = rng.uniform(0.1, 0.9, 2) * side
    angle, half = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(1.2), np.log(4)))
    near = torch.full((side, side), 1e9)
    bend = rng.uniform(0, 0.9)
    for _ in range(rng.integers(1, 6)):
        angle += rng.normal(0, bend)
        q = p + np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(8, 30)
        d = q - p
        t = (((x - p[0]) * d[0] + (y - p[1]) * d[1]) / (d @ d)).clamp(0, 1)
        near = torch.minimum(near, (x - p[0] - t * d[0]) ** 2 + (y - p[1] - t * d[1]) ** 2)
        p = q
    return near <= half ** 2


def box(rng, side):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    cx, cy = rng.uniform(0.08, 0.92, 2) * side
    a, b = np.exp(rng.uniform(np.log(4), np.log(32), 2))
    angle = rng.uniform(0, np.pi)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    return (u.abs() < a) & (v.abs() < b)


def place(rng, side):
    kind = rng.random()
    if kind < 0.5:
        return blob(rng, side), False
    if kind < 0.8:
        return stroke(rng, side), True
    if kind < 0.9:
        return box(rng, side), False
    m = blob(rng, side)
    return m & (field(rng, side, int(rng.integers(8, 28))) > rng.uniform(-0.5, 0.6)), False


def shift(x, dx, dy):
    return torch.roll(x, (int(dy), int(dx)), (1, 2))


def moved(rng, x):
    """The picture's own pixels in another place or way: turned, shifted, or warped."""
    side = x.shape[-1]
    kind = rng.random()
    if kind < 0.35:
        return torch.rot90(shift(x, *rng.integers(0, side, 2)), int(rng.integers(1, 4)), (1, 2))
    if kind < 0.5:
        return shift(x, *(rng.choice([-1, 1], 2) * rng.integers(5, 24, 2)))
    base = F.affine_grid(torch.eye(2, 3)[None], (1, 3, side, side), align_corners=False)
    amount = rng.uniform(8, 30) / side
    cells = int(rng.integers(4, 12))
    d = torch.stack([field(rng, side, cells), field(rng, side, cells)], -1)[None] * amount
    return F.grid_sample(x[None], base + d, padding_mode="reflection", align_corners=False)[0]


def smeared(rng, x):
    k = int(rng.integers(2, 6)) * 2 + 1
    soft = F.avg_pool2d(F.pad(x[None], (k // 2,) * 4, mode="reflect"), k, 1)[0]
    return soft if rng.random() < 0.6 else (2 * x - soft).clamp(0, 1)


def foreign(rng, x, others, line):
    """What shows in the place of a defect: (3,S,S)."""
    side = x.shape[-1]
    kind = rng.random()
    colour = torch.from_numpy(rng.uniform(0, 1, 3).astype(np.float32))[:, None, None]
    if rng.random() < 0.5:
        colour = colour.mean() * torch.ones(3, 1, 1)
    if line or kind < 0.3:
        grain = field(rng, side, side // 3) * rng.uniform(0, 0.12)
        return colour + grain
    if kind < 0.5:
        return others[int(rng.integers(len(others)))]
    if kind < 0.7:
        return moved(rng, x)
    if kind < 0.78:
        return texture(rng, side)
    if kind < 0.86:
        return smeared(rng, x)
    if kind < 0.93:
        return x * rng.uniform(0.3, 1.8) + rng.normal(0, 0.1)
    m = torch.from_numpy(rng.normal(0, 0.5, (3, 3)).astype(np.float32))
    return torch.einsum("ij,jyx->iyx", m + 0.4 * torch.eye(3), x)


def damage(rng, x, others, tries=4):
    """A defect drawn into x (3,S,S) -> picture, mask (1,S,S). What can hardly be seen is drawn again."""
    side = x.shape[-1]
    for _ in range(tries):
        m, line = place(rng, side)
        if m.sum() < 40:
            continue
        alpha = rng.uniform(0.5, 1)
        seen = (x * (1 - alpha) + foreign(rng, x, others, line) * alpha).clamp(0, 1)
        edge = m.float()[None]
        if rng.random() < 0.6:
            edge = F.avg_pool2d(edge[None], 3, 1, 1)[0]
        y = x * (1 - edge) + seen * edge
        if (y - x).mean(0).abs()[m].mean() > 0.08:  # in brightness: colours may go
            return y, m.float()[None]
    return x, torch.zeros(1, side, side)


# ----------------------------------------------------------------- colours

def recolour(rng, x):
    """(B,3,S,S) -> the same: each picture's colours mixed, turned over, lit, blurred or grained."""
    n, _, side, _ = x.shape
    mix = np.tile(np.eye(3, dtype=np.float32), (n, 1, 1))
    gain, offset = np.ones((n, 3, 1, 1), np.float32), np.zeros((n, 3, 1, 1), np.float32)
    for i in range(n):
        if rng.random() < 0.4:
            mix[i] = mix[i][rng.permutation(3)]
        if rng.random() < 0.4:
            mix[i] = mix[i] @ (np.eye(3) + rng.normal(0, 0.15, (3, 3)))
            mix[i] /= np.abs(mix[i].sum(1, keepdims=True)).clip(0.5)
        if rng.random() < 0.1:
            mix[i] = rng.dirichlet((3, 3, 3))[None]
        contrast = np.exp(rng.normal(0, 0.18))
        gain[i] = contrast * np.exp(rng.normal(0, 0.06, (3, 1, 1)))
        offset[i] = (1 - contrast) * 0.5 + rng.normal(0, 0.08)
        if rng.random() < 0.12:
            gain[i], offset[i] = -gain[i], 1 - offset[i]
    x = torch.einsum("bij,bjyx->biyx", torch.from_numpy(mix), x)
    x = x * torch.from_numpy(gain) + torch.from_numpy(offset)
    for i in range(n):
        kind = rng.random()
        if kind < 0.35:
            x[i] *= 1 + field(rng, side, int(rng.integers(1, 3))) * rng.uniform(0, 0.12)
        if rng.random() < 0.1:
            x[i] = F.avg_pool2d(F.pad(x[i][None], (1,) * 4, mode="reflect"), 3, 1)[0]
        if rng.random() < 0.3:
            noise = rng.standard_normal((3 if rng.random() < 0.5 else 1, side, side), np.float32)
            x[i] += torch.from_numpy(noise) * rng.uniform(0, 0.04)
    return x.clamp(0, 1)
