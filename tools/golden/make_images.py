#!/usr/bin/env python3
"""Draw the image fixtures and store what Pillow makes of them.

    tools/golden/make_images.py tests/fixtures/images

Writes one small file per format and mode, drawn from a seeded generator, and expected.h5: the text
attribute `names`, one file a line, and `pixels`, one row a file with, for every side in SIDES, the
RGB pixels (resized in the file's own mode) and the mask. Made with Pillow 9.4.0 and numpy 1.24; the
versions are stored as attributes.
"""
import struct
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import PIL
from PIL import Image

W, H = 33, 21           # not square, and no multiple of anything
SQUARE = 24             # for files whose size is one of the sides
SIDES = (11, 24, 36)    # down, across, up
RNG = np.random.default_rng(20240501)


def picture(channels, w=W, h=H, top=255):
    """(h, w, channels) ints in 0..top: waves with noise, some pixels at 0 and top."""
    y, x = np.mgrid[0:h, 0:w]
    planes = []
    for _ in range(channels):
        a, b, c = RNG.uniform(0.1, 0.6, 3)
        wave = 0.5 + 0.5 * np.sin(a * x + b * y + 6 * c)
        wave += RNG.normal(0, 0.15, (h, w))
        wave[RNG.random((h, w)) < 0.08] = -1
        wave[RNG.random((h, w)) < 0.08] = 2
        planes.append(np.clip(wave, 0, 1))
    return np.round(np.stack(planes, -1) * top).astype(np.int64)


def smooth(channels, w=W, h=H):
    """8-bit picture without noise, for JPEG."""
    y, x = np.mgrid[0:h, 0:w]
    planes = [127 + 120 * np.sin(0.1 * (c + 1) * x + 0.15 * y + c) for c in range(channels)]
    return np.round(np.stack(planes, -1)).astype(np.uint8)


def pack(rows, bits):
    """(h, n) ints to bytes per row, big-endian, padded to whole bytes."""
    if bits == 16:
        return [r.astype(">u2").tobytes() for r in rows]
    if bits == 8:
        return [r.astype("u1").tobytes() for r in rows]
    return [np.packbits(((r[:, None] >> np.arange(bits - 1, -1, -1)) & 1).ravel().astype("u1")).tobytes()
            for r in rows]


# ------------------------------------------------------------------------ PNG

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(path, samples, bits, colour, palette=None, trns=None, interlace=False):
    h, w, n = samples.shape
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlace else [samples]
    raw = b"".join(b"\0" + row for p in passes if p.size
                   for row in pack(p.reshape(p.shape[0], -1), bits))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, interlace))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype("u1").tobytes())
    if trns is not None:
        out += chunk(b"tRNS", trns)
    half = len(raw) // 2
    packer = zlib.compressobj(9)
    first = packer.compress(raw[:half]) + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(raw[half:]) + packer.flush()
    path.write_bytes(out + chunk(b"IDAT", first) + chunk(b"IDAT", rest) + chunk(b"IEND", b""))


def draw_png(d):
    for bits in (1, 2, 4, 8, 16):
        write_png(d / f"grey{bits}.png", picture(1, top=2**bits - 1), bits, 0)
    write_png(d / "grey8_trns.png", picture(1), 8, 0, trns=struct.pack(">H", 0))
    write_png(d / "grey8_square.png", picture(1, SQUARE, SQUARE), 8, 0)
    write_png(d / "grey1_square.png", picture(1, SQUARE, SQUARE, 1), 1, 0)
    write_png(d / "grey8_wide.png", picture(1, 90, SQUARE), 8, 0)
    write_png(d / "grey8_tall.png", picture(1, SQUARE, 90), 8, 0)
    low = picture(1, top=65535)
    low[::2] //= 256  # values under 256 are defect in a mask although their high byte is 0
    write_png(d / "grey16_low.png", low, 16, 0)
    write_png(d / "la8.png", picture(2), 8, 4)
    write_png(d / "la16.png", picture(2, top=65535), 16, 4)
    write_png(d / "la8_square.png", picture(2, SQUARE, SQUARE), 8, 4)
    write_png(d / "rgb8.png", picture(3), 8, 2)
    write_png(d / "rgb8_square.png", picture(3, SQUARE, SQUARE), 8, 2)
    write_png(d / "rgb8_trns.png", picture(3), 8, 2, trns=struct.pack(">HHH", 0, 0, 0))
    write_png(d / "rgb8_dark.png", picture(3, top=6), 8, 2)
    write_png(d / "rgb16.png", picture(3, top=65535), 16, 2)
    write_png(d / "rgba8.png", picture(4), 8, 6)
    write_png(d / "rgba8_square.png", picture(4, SQUARE, SQUARE), 8, 6)
    write_png(d / "rgba16.png", picture(4, top=65535), 16, 6)
    write_png(d / "rgb8_one.png", picture(3, 1, 1), 8, 2)
    write_png(d / "grey8_big.png", picture(1, 150, 130) // 16 * 16, 8, 0)
    for bits in (1, 2, 4, 8):
        palette = RNG.integers(0, 256, (2**bits, 3))
        palette[0] = (0, 0, 4)  # its grey value rounds to 0
        trns = RNG.integers(0, 256, 2**bits).astype("u1").tobytes()
        index = picture(1, top=2**bits - 1)
        write_png(d / f"palette{bits}.png", index, bits, 3, palette)
        write_png(d / f"palette{bits}_trns.png", index, bits, 3, palette, trns)
    write_png(d / "palette8_square.png", picture(1, SQUARE, SQUARE), 8, 3, RNG.integers(0, 256, (256, 3)))
    write_png(d / "rgb8_interlaced.png", picture(3), 8, 2, interlace=True)
    write_png(d / "grey1_interlaced.png", picture(1, top=1), 1, 0, interlace=True)


# ----------------------------------------------------------------- BMP TGA PNM

def draw_simple(d):
    u8 = lambda channels: picture(channels).astype("u1")
    grey, rgb, rgba, la = u8(1)[:, :, 0], u8(3), u8(4), u8(2)
    indexed = Image.fromarray(rgb).quantize(60)
    bit = Image.fromarray(grey > 127)
    for name, image in (("rgb", Image.fromarray(rgb)), ("grey", Image.fromarray(grey)), ("palette", indexed)):
        image.save(d / f"{name}.bmp")
        image.save(d / f"{name}.tga")
        image.save(d / f"{name}_rle.tga", rle=True)
    bit.save(d / "bit.bmp")
    Image.fromarray(rgba).save(d / "rgbx.bmp")
    # 32 bits with an alpha mask in a version 4 header, top row first
    header = struct.pack("<IiiHHIIiiII", 108, W, -H, 1, 32, 3, W * H * 4, 0, 0, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    body = rgba[:, :, [2, 1, 0, 3]].tobytes()
    (d / "rgba.bmp").write_bytes(struct.pack("<2sIHHI", b"BM", 122 + len(body), 0, 0, 122) + header + body)
    Image.fromarray(rgba).save(d / "rgba.tga")
    Image.fromarray(la, "LA").save(d / "la.tga")
    mirrored = bytearray((d / "rgb.tga").read_bytes())
    mirrored[17] |= 0x10
    (d / "rgb_mirrored.tga").write_bytes(mirrored)
    Image.fromarray(rgb).save(d / "rgb.ppm")
    Image.fromarray(grey).save(d / "grey.pgm")
    bit.save(d / "bit.pbm")
    (d / "max100.pgm").write_bytes(b"P5 # comment\n%d %d\n100\n" % (W, H) + picture(1, top=100).astype("u1").tobytes())
    (d / "max1000.ppm").write_bytes(b"P6\n%d %d\n1000\n" % (W, H) + picture(3, top=1000).astype(">u2").tobytes())
    (d / "grey16.pgm").write_bytes(b"P5\n%d %d\n65535\n" % (W, H) + picture(1, top=65535).astype(">u2").tobytes())
    indexed.save(d / "palette.gif")
    Image.fromarray(grey).save(d / "grey.gif", optimize=False)


# ----------------------------------------------------------------------- TIFF

def write_tiff(path, samples, bits, photometric, order="<", tile=None, planar=False, extra=None, orientation=1,
               palette=None):
    """Uncompressed TIFF; strips of 5 rows, or tiles."""
    h, w, n = samples.shape
    planes = [samples[:, :, [c]] for c in range(n)] if planar else [samples]
    blocks = []
    for p in planes:
        if tile:
            p = np.pad(p, ((0, -h % tile), (0, -w % tile), (0, 0)))
            cuts = [p[y:y + tile, x:x + tile] for y in range(0, h, tile) for x in range(0, w, tile)]
        else:
            cuts = [p[y:y + 5] for y in range(0, h, 5)]
        for c in cuts:
            rows = c.reshape(c.shape[0], -1)
            blocks.append(rows.astype(order + "u2").tobytes() if bits == 16 else b"".join(pack(rows, bits)))
    data, offsets = b"", []
    for b in blocks:
        offsets.append(8 + len(data))
        data += b
    data += bytes(len(data) % 2)
    sizes = [len(b) for b in blocks]
    tags = [(256, 4, [w]), (257, 4, [h]), (258, 3, [bits] * n), (259, 3, [1]), (262, 3, [photometric]),
            (274, 3, [orientation]), (277, 3, [n]), (284, 3, [2 if planar else 1])]
    if tile:
        tags += [(322, 4, [tile]), (323, 4, [tile]), (324, 4, offsets), (325, 4, sizes)]
    else:
        tags += [(273, 4, offsets), (278, 4, [5]), (279, 4, sizes)]
    if palette is not None:
        tags.append((320, 3, list(palette.T.ravel())))
    if extra is not None:
        tags.append((338, 3, [extra]))
    tags.sort()
    at = 8 + len(data) + 2 + 12 * len(tags) + 4
    ifd, tail = struct.pack(order + "H", len(tags)), b""
    for tag, kind, values in tags:
        body = struct.pack(order + f"{len(values)}{'H' if kind == 3 else 'I'}", *[int(v) for v in values])
        if len(body) > 4:
            field, tail = struct.pack(order + "I", at + len(tail)), tail + body
        else:
            field = body.ljust(4, b"\0")
        ifd += struct.pack(order + "HHI", tag, kind, len(values)) + field
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(data))
    path.write_bytes(head + data + ifd + bytes(4) + tail)


def draw_tiff(d):
    rgb = picture(3).astype("u1")
    grey = picture(1).astype("u1")[:, :, 0]
    for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        Image.fromarray(rgb).save(d / f"rgb_{name.replace('tiff_', '')}.tif", compression=name)
    Image.fromarray(grey).save(d / "grey_lzw.tif", compression="tiff_lzw")
    Image.fromarray(grey > 127).save(d / "bit_group4.tif", compression="group4")
    Image.fromarray(picture(4).astype("u1")).save(d / "rgba_lzw.tif", compression="tiff_lzw")
    Image.fromarray(picture(2).astype("u1"), "LA").save(d / "la.tif")
    Image.fromarray(rgb).quantize(50).save(d / "palette_deflate.tif", compression="tiff_adobe_deflate")
    for bits in (1, 2, 4, 8):
        write_tiff(d / f"white{bits}.tif", picture(1, top=2**bits - 1), bits, 0)
    write_tiff(d / "grey16.tif", picture(1, top=65535), 16, 1)
    write_tiff(d / "grey16_big.tif", picture(1, top=65535), 16, 1, order=">")
    write_tiff(d / "rgb16.tif", picture(3, top=65535), 16, 2)
    write_tiff(d / "rgb16_big.tif", picture(3, top=65535), 16, 2, order=">")
    write_tiff(d / "rgba16.tif", picture(4, top=65535), 16, 2, extra=2)
    write_tiff(d / "rgbx.tif", picture(4), 8, 2, extra=0)
    associated = picture(4)
    associated[:, :, :3] = associated[:, :, :3] * associated[:, :, 3:] // 255
    write_tiff(d / "rgba_associated.tif", associated, 8, 2, extra=1)
    write_tiff(d / "palette4.tif", picture(1, top=15), 4, 3, palette=RNG.integers(0, 65536, (16, 3)))
    write_tiff(d / "rgb_tiled.tif", picture(3), 8, 2, tile=16)
    write_tiff(d / "rgb_planar.tif", picture(3), 8, 2, planar=True)
    for orientation in range(2, 9):
        write_tiff(d / f"orientation{orientation}.tif", picture(1), 8, 1, orientation=orientation)


# ----------------------------------------------------------------------- JPEG

def draw_jpeg(d):
    rgb = Image.fromarray(smooth(3, 61, 45))
    rgb.save(d / "rgb_444.jpg", quality=92, subsampling=0)
    rgb.save(d / "rgb_420.jpg", quality=92, subsampling=2)
    rgb.save(d / "rgb_progressive.jpg", quality=92, progressive=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(d / "rgb_exif.jpg", quality=92, exif=exif)
    Image.fromarray(smooth(1, 61, 45)[:, :, 0]).save(d / "grey.jpg", quality=92)


def expected(path):
    """The image in the mode that we resize it in: Pillow's, but 16-bit grey by its high byte."""
    image = Image.open(path)
    if image.mode.startswith("I"):
        image = Image.fromarray((np.array(image).astype(np.int64) >> 8).astype("u1"))
    return image


def mask_of(path, side):
    m = np.array(Image.open(path))
    if Image.open(path).mode.startswith("I"):
        m = m > 0
    else:
        m = np.array(Image.open(path).convert("L")) > 0
    m = Image.fromarray(m.astype("u1") * 255, "L").resize((side, side), Image.BILINEAR)
    return (np.asarray(m, np.float32) / 255.0 > 0.5).astype("u1")


def row_of(path):
    """For every side: rgb (side, side, 3), then mask (side, side), all flat."""
    parts = []
    for side in SIDES:
        parts.append(np.asarray(expected(path).resize((side, side), Image.BICUBIC).convert("RGB")).ravel())
        parts.append(mask_of(path, side).ravel())
    return np.concatenate(parts)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (draw_png, draw_simple, draw_tiff, draw_jpeg):
        draw(folder)
    paths = sorted(p for p in folder.iterdir() if p.suffix != ".h5")
    with h5py.File(folder / "expected.h5", "w") as out:
        out.attrs["pillow"], out.attrs["numpy"] = PIL.__version__, np.__version__
        out.attrs["names"] = "\n".join(p.name for p in paths)
        rows = np.stack([row_of(p) for p in paths])
        out.create_dataset("pixels", data=rows, chunks=(8, rows.shape[1]), compression="gzip", compression_opts=9)


if __name__ == "__main__":
    main()
