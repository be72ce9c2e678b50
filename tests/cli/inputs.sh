#!/usr/bin/env bash
# Job files, weights and data sets that are wrong or missing: the exit status and a message that names it.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric cells"
echo 'this is no HDF5 and no JSON' >"$dir/text"

refused 2 'model.weights: no weights given' extract --dataset "fabric=$dir/world/fabric"
refused 2 'model.weights: found "", wanted a text' plan "$dir/job.json" --set model.weights=
refused 1 "cannot open $dir/none: No such file" plan "$dir/job.json" --weights "$dir/none"
refused 1 "$dir/text: not a safetensors file" plan "$dir/job.json" --weights "$dir/text"
refused 1 "$dir: not a regular file" plan "$dir/job.json" --weights "$dir"
head -c -1000 "$dir/model.safetensors" >"$dir/cut.safetensors"
refused 1 "it is truncated" plan "$dir/job.json" --weights "$dir/cut.safetensors"
refused 2 "model.image_size: 50 is no multiple of the model's patch of 7 pixels" plan "$dir/job.json" --image-size 50

# the job file
refused 1 "cannot open $dir/none.json" sweep "$dir/none.json"
refused 1 "cannot read $dir: Is a directory" sweep "$dir"
refused 2 "$dir/text:1:1: not valid JSON" sweep "$dir/text"
printf '{"score": {"k": 0.5,}}' >"$dir/bad.json"
refused 2 "$dir/bad.json:1:22: not valid JSON" sweep "$dir/bad.json"
printf '{"score": {"kk": 0.5}}' >"$dir/bad.json"
refused 2 "$dir/bad.json: score.kk: no such key, did you mean \"score.k\"?" sweep "$dir/bad.json"
printf '{"score": {"k": "much"}}' >"$dir/bad.json"
refused 2 "$dir/bad.json: score.k: found \"much\", wanted a number" sweep "$dir/bad.json"
printf '{"score": {"k": 1.5}}' >"$dir/bad.json"
refused 2 "score.k: found 1.5, wanted a number from 0 to 1" sweep "$dir/bad.json"
printf '{"score": {"k": NaN}}' >"$dir/bad.json"
refused 2 "not valid JSON" sweep "$dir/bad.json"
printf '{"seeds": [1], "seeds": [2]}' >"$dir/bad.json"
refused 2 "the key \"seeds\" occurs twice" sweep "$dir/bad.json"
printf '{"datasets": {"a/b": {"root": "x"}}}' >"$dir/bad.json"
refused 2 "\"a/b\" cannot be the name of a data set" sweep "$dir/bad.json"
printf '{"datasets": {"a": {"rot": "x"}}}' >"$dir/bad.json"
refused 2 "datasets.a.rot: no such key, did you mean \"root\"?" sweep "$dir/bad.json"
printf '{"datasets": {"a": {}}}' >"$dir/bad.json"
refused 2 "datasets.a.root: missing" sweep "$dir/bad.json"
printf '[]' >"$dir/bad.json"
refused 2 "wanted a JSON object of settings" sweep "$dir/bad.json"
refused 2 'datasets: none given' sweep "$dir/job.json" --set 'datasets={}'
refused 2 'score.kk: no such key, did you mean "score.k"?' sweep "$dir/job.json" --set score.kk=1
refused 2 'score.k: found "x", wanted a number' sweep "$dir/job.json" --set score.k=x
refused 2 'wanted key=value' sweep "$dir/job.json" --set score.k
refused 2 'preset: found "relased", wanted one of "released", "paper"' sweep "$dir/job.json" --set preset=relased
refused 2 'run.kernels: found "gpu", wanted one of "auto", "cpu", "ref"' sweep "$dir/job.json" --kernels gpu

# the data
refused 1 "$dir/none/meta.json" sweep "$dir/job.json" --dataset "fabric=$dir/none"
mkdir "$dir/empty"
refused 1 "$dir/empty/meta.json" plan "$dir/job.json" --dataset "fabric=$dir/empty"
cp -r "$dir/world/fabric" "$dir/broken"
rm "$dir/broken/weave/test/good/001.png"
refused 1 "item 5: image is missing: $dir/broken/weave/test/good/001.png" plan "$dir/job.json" --dataset "fabric=$dir/broken"
cp "$dir/text" "$dir/broken/weave/test/good/001.png"
run 1 sweep "$dir/job.json" --dataset "fabric=$dir/broken"
err_has "weave/test/good/001.png"
out_is_empty
run 0 status "$dir/run"
out_has "failed, started"
out_has "weave/test/good/001.png" # the reason
run 0 sweep "$dir/job.json" --dataset "fabric=$dir/broken" --on-bad-item skip --json
check_py "a skipped image" "$dir/out" <<'PY'
import sys
from cli import *
tree = load(sys.argv[1])
skipped = [s for s in tree["skipped"] if "item" in s]
assert len(skipped) == 1, skipped
assert skipped[0]["dataset"] == "fabric" and skipped[0]["item"] == 5
assert skipped[0]["image"].endswith("weave/test/good/001.png") and skipped[0]["why"]
assert [r["n_normal"] for r in tree["rows"] if (r["test"], r["class"]) == ("fabric", "weave")] == [1]
PY
run 0 sweep "$dir/job.json" --dataset "fabric=$dir/broken" --on-bad-item skip
out_has "- fabric, item 5 ("

# An image that could not be read for a while: its remembered hash is that of the bytes it has again later.
image=$dir/broken/weave/test/good/001.png
cp "$dir/world/fabric/weave/test/good/001.png" "$dir/good.png"
head -c "$(stat -c %s "$dir/good.png")" /dev/zero >"$image"
touch -d '2020-01-01' "$image" "$dir/good.png"
again() { # OPTIONS...
    run 0 sweep "$dir/job.json" --dataset "fabric=$dir/broken" --on-bad-item skip --out "$dir/again" --json "$@"
}
again
grep -qP '"item":\s*5' "$dir/out" || fail "the image of zeros was not skipped"
cp -p "$dir/good.png" "$image"
again
grep -qP '"item":\s*5' "$dir/out" || fail "the image was read again without being asked"
again --retry-failed
err_has "1 skipped items are tried again"
[ "$(grep -c '"why"' "$dir/out")" = 0 ] || fail "something is skipped still: $(grep '"why"' "$dir/out")"
cp "$dir/out" "$dir/retried"
again --store "$dir/fresh"
cmp "$dir/out" "$dir/retried" || fail "what was retried differs from a fresh run"
again --retry-failed
err_has "0 skipped items are tried again; 0 products"

# artefacts that are none
refused 1 "cannot open $dir/none: No such file" bank --info "$dir/none"
refused 1 "$dir/text: not a readable HDF5 file" bank --info "$dir/text"
shard=$(find "$dir/store/features" -name 'shard-*.h5' | sort | head -n1)
refused 1 "$shard: holds 'mrad.features', wanted 'mrad.bank'" bank --info "$shard"

# the clock
run 75 sweep "$dir/job.json" --time-left 0.000001 --store "$dir/other"
err_has "stopped"
finish
