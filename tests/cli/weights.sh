#!/usr/bin/env bash
# mrad-weights writes, byte for byte, the file that Python writes by the same rule.
#
# The first two sums are those of `make_golden.py`'s model.safetensors for the shape `tiny` and of
# `make_torch_files.py`'s hf.safetensors made from it. The others come from this, run beside mrad_ref.py:
#
#   import hashlib, json, torch, mrad_ref as R
#   def sum(w, kind, dt):
#       head, off, blobs = {}, 0, []
#       for k in sorted(w):
#           t = w[k].reshape(w[k].shape or (1,)).to(dt).contiguous()
#           n = t.numel() * t.element_size()
#           head[k] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [off, off + n]}
#           off += n
#           blobs.append(bytes(t.view(torch.int16 if n == 2 * t.numel() else torch.int32).numpy()))
#       h = json.dumps(head).encode()
#       h += b" " * (-len(h) % 8)
#       return hashlib.sha256(len(h).to_bytes(8, "little") + h + b"".join(blobs)).hexdigest()
#   w = R.random_weights(R.Shape(28, 7, 2, 12, 2, 10, 8, 1, 6, 20), 7)
#   for kind, dt in ("F32", torch.float32), ("F16", torch.float16), ("BF16", torch.bfloat16):
#       print(sum(w, kind, dt))
#   print(sum({k if k.startswith("visual.") or k == "logit_scale" else "text." + k: v
#              for k, v in w.items()}, "F32", torch.float32))
set -euo pipefail

weights=$(dirname "$MRAD")/mrad-weights
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

tiny=image=112,patch=14,native_grid=4,width=128,layers=4,embed=96,text_width=128,text_layers=3,context=24,vocab=128
small=image=28,patch=7,native_grid=2,width=12,layers=2,embed=10,text_width=8,text_layers=1,context=6,vocab=20
failed=0

demand_sum() { # SUM OPTIONS...
    local want=$1 got
    shift
    "$weights" --out "$dir/a b.safetensors" "$@"
    got=$(sha256sum <"$dir/a b.safetensors")
    if [ "${got%% *}" != "$want" ]; then
        echo "mrad-weights $*: sha256 ${got%% *}, wanted $want"
        failed=1
    fi
}

demand_refusal() { # TEXT OPTIONS...
    local want=$1 status=0
    shift
    "$weights" "$@" 2>"$dir/err" || status=$?
    if [ "$status" != 2 ] || ! grep -qF -- "$want" "$dir/err"; then
        echo "mrad-weights $*: status $status, wanted 2 and \"$want\" in: $(cat "$dir/err")"
        failed=1
    fi
}

demand_sum fb8a5490fd82e5f9bb29efe8cd99796ed1ea11355fd3519495bb8c4eaa4f4db0 --shape "$tiny"
demand_sum 2e2ac4826c1a4cc93cde9da7411a20fd2c5af8cd81d8fe9acd65a14ce40614eb --shape "$tiny" --names hf
demand_sum 593333aa169833f0715082e592eb62510c4765d959ce083f77ed1de05f4ba260 --shape "$small" --seed 7
demand_sum a058934e8252b50cbddad6c13a98e9a63aad6e963a44aadd934db7c0805e662e --shape "$small" --seed 7 --dtype f16
demand_sum 54f12595a39cf65381c25a03f9f37ed3f62010671f089a2432ad7f8646b812bd --shape "$small" --seed 7 --dtype bf16
demand_sum d33a817d413e9e6878d1eb85eafddd471d05415b412ce15a749d94cdbec494ed --shape "$small" --seed 7 --names open_clip

demand_refusal '--out is missing'
demand_refusal 'no key "widht"' --out "$dir/x" --shape widht=3
demand_refusal 'not a whole number' --out "$dir/x" --shape width=0
demand_refusal 'not a whole number' --out "$dir/x" --seed -1
demand_refusal '"f8" is none of f32, f16, bf16' --out "$dir/x" --dtype f8
[ ! -e "$dir/x" ] || { echo "a refused call left a file"; failed=1; }
exit "$failed"
