#!/usr/bin/env bash
# mrad import and export: our own bank and head out and in again give the same results; PyTorch's
# files (shared/golden/torch) give results without training, and what we write of them is read by torch.load.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric cells" '"variants": ["mrad-ft"], "pairs": [["fabric", "cells"]]'

refused 2 'import: wanted what to import first: bank or head' import --out "$dir/x"
refused 2 'export: wanted what to export first: bank or head' export heads "$dir/x" --out "$dir/x"
refused 2 'import: wants --out' import head "$dir/x"
refused 2 'import: wanted bank, the image file and the patch file, got 2 operands' import bank "$dir/x" --out "$dir/y"
refused 2 'import: wanted head and one checkpoint, got 3 operands' import head a b --out "$dir/y"
refused 2 'export: wanted bank and one bank file, got 1 operand' export bank --out "$dir/y"
refused 1 "$dir/model.safetensors: " import head "$dir/model.safetensors" --out "$dir/y"
refused 1 "$dir/none" import bank "$dir/none" "$dir/none" --out "$dir/y"
[ ! -e "$dir/y" ] || fail "a refused import left a file"

# out and in again: the same results, with nothing built or trained
run 0 sweep "$dir/job.json" --json
cp "$dir/out" "$dir/results"
bank=$(find "$dir/store/bank/fabric" -name bank.h5)
head=$(find "$dir/store/head/mrad-ft/fabric" -name head.h5)
run 0 export bank "$bank" --out "$dir/fabric"
out_has "$dir/cache_patch_model_fabric.pt"
run 0 export head "$head" --out "$dir/fabric.pth"
run 0 import bank "$dir/cache_model_fabric.pt" "$dir/cache_patch_model_fabric.pt" --out "$dir/fabric-bank.h5"
out_has "8 image keys (4 anomalous)"
run 0 bank --info "$dir/fabric-bank.h5"
out_has "image keys: 8 of 32 columns, 4 anomalous"
run 0 import head "$dir/fabric.pth" --bank "$dir/fabric-bank.h5" --out "$dir/fabric-head.h5"
out_has "ft: patches 64 -> 32, images 32 -> 32"
given=(--set "datasets.fabric.bank=$dir/fabric-bank.h5" --set "head.ft=$dir/fabric-head.h5:/ft" --store "$dir/store2")
run 0 plan "$dir/job.json" "${given[@]}"
out_has "bank      fabric  there"
out_has "mrad-ft  fabric, seed 111, 0 steps  to train"
run 0 sweep "$dir/job.json" --json --out "$dir/given" "${given[@]}"
cmp "$dir/out" "$dir/results" || fail "the imported bank and head give other results"
[ ! -e "$dir/store2/features/fabric" ] || fail "features of an imported bank's data set were made"

# a mix is refused with both hashes
of=$(basename "$(dirname "$bank")")
refused 1 "was made from bank" plan "$dir/job.json" --set "head.ft=$dir/fabric-head.h5:/ft"
err_has "but $of is in use"
refused 1 "was made from bank $of, but" plan "$dir/job.json" --set "datasets.fabric.bank=$dir/fabric-bank.h5" --set "head.ft=$head:/ft"
refused 1 "is mrad.bank, wanted mrad.head" plan "$dir/job.json" --set "head.ft=$bank:/ft"
refused 2 "wanted FILE:/name" plan "$dir/job.json" --set "head.ft=$head"
run 0 plan "$dir/job.json" --set "head.ft=$head:/ft"

# files that PyTorch wrote
golden=${MRAD_SHARED:-$MRAD_SOURCE/../shared}/golden
if [ ! -d "$golden/torch" ]; then
    echo "skipped: PyTorch's files (needs shared/golden/torch)"
    finish
fi
tiny=$MRAD_SOURCE/tests/fixtures/tiny
run 0 import bank "$golden/torch/cache_model_A.pt" "$golden/torch/cache_patch_model_A.pt" --out "$dir/A-bank.h5"
run 0 import head "$golden/torch/mrad_clip_A.pth" --bank "$dir/A-bank.h5" --out "$dir/A-head.h5"
out_has "skipped, not used: prompt_learner.compound_prompt_projections.1.weight (896 x 128)"
for variant in mrad-tf mrad-ft mrad-clip; do
    run 0 eval --weights "$golden/tiny/model.safetensors" --image-size 56 --dataset "A=$tiny/A" --dataset "B=$tiny/B" \
        --store "$dir/store3" --train A --test B --json --set "variants=[\"$variant\"]" --set "datasets.A.bank=$dir/A-bank.h5" \
        --set "head.ft=$dir/A-head.h5:/ft" --set "head.clip=$dir/A-head.h5:/clip"
done
[ ! -e "$dir/store3/features/A" ] || fail "features of an imported bank's data set were made"

run 0 export bank "$dir/A-bank.h5" --out "$dir/A"
run 0 export head "$(find "$dir/store3/head/mrad-ft/A" -name head.h5)" "$(find "$dir/store3/head/mrad-clip/A" -name head.h5)" --out "$dir/A.pth"
find_torch
if [ -z "$python" ]; then
    echo "skipped: torch.load of what was written (needs PyTorch; tools/setup.sh --python)"
    finish
fi
"$python" - "$golden/torch" "$dir" <<'PY' || fail "torch.load reads something else than what was imported"
import sys
import torch

DEAD = ("compound_prompt_projections", "mlp.", "token_prefix", "token_suffix")
theirs, ours = sys.argv[1:]


def check(got, want, where):
    assert list(k for k in want if not k.startswith(DEAD)) and set(got) == {k for k in want if not k.startswith(DEAD)}, where
    for key, value in got.items():
        if isinstance(value, dict):
            check(value, want[key], f"{where}.{key}")
        else:
            assert value.shape == want[key].shape, f"{where}.{key}: {value.shape}, wanted {want[key].shape}"
            assert torch.equal(value, want[key].to(value.dtype)), f"{where}.{key}: other values"


load = lambda path: torch.load(path, weights_only=True)
for name in ("cache_model_A.pt", "cache_patch_model_A.pt"):
    check(load(f"{ours}/{name}"), load(f"{theirs}/{name}"), name)
check(load(f"{ours}/A.pth"), load(f"{theirs}/mrad_clip_A.pth"), "A.pth")
print("torch.load reads what was imported")
PY
finish
