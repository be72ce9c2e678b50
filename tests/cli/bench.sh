#!/usr/bin/env bash
# mrad bench runs every subject, says its share of the peak, and leaves nothing behind.
set -euo pipefail
source "$(dirname "$0")/../support/cli.sh"

small=image=56,patch=14,native_grid=4,width=64,layers=2,embed=64,text_width=64,context=24,vocab=64
"$bin/mrad-weights" --out "$dir/model.safetensors" --shape "$small,text_layers=3"
"$bin/mrad-weights" --out "$dir/shallow.safetensors" --shape "$small,text_layers=1"
mkdir "$dir/tmp"
export TMPDIR=$dir/tmp
options="--image-size 56 --repeat 1 --threads 1"

for subject in gemm encoder retrieval text train; do
    run 0 bench $subject --weights "$dir/model.safetensors" $options --json
    out_has '"share": '
done
run 0 bench train --weights "$dir/model.safetensors" $options
out_has "train ft, a step of 8 images of 56 px"
out_has "train clip, a step of 8 images of 56 px"
out_has "TFLOP, first epoch"
out_has "TFLOP, later epochs"
run 0 bench metrics
out_has "all eight metrics"
run 0 bench queue
out_has "queue, 1 ranks"
out_has "one by one"
run 0 bench queue --json
check_py "bench queue" "$dir/out" <<'PY'
import sys
from cli import load
b = load(sys.argv[1])
assert b["ranks"] == 1 and b["together_per_s"] > 0 and b["single_per_s"] > 0
# 3 x (2 x 40 + 16) + 120 units of 20 ms on one rank
assert abs(b["bound_s"] - 8.16) < 1e-6 and abs(b["simulated_s"] - 8.16) < 1e-6, b
assert b["makespan_s"] >= b["bound_s"] * 0.999, b
PY
run 2 bench train --weights "$dir/shallow.safetensors" $options
err_has "a text tower of 1 layers and 24 positions, wanted at least 2 and 17"
[ -z "$(ls -A "$TMPDIR")" ] || fail "bench leaves $(ls "$TMPDIR")"
finish
