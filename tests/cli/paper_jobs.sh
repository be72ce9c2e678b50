#!/usr/bin/env bash
# Every job over the published data sets runs as it is, on all sets in miniature, with the demo's model and two
# ranks: each has rows for every cell, undefined metrics have a reason, and the main one a comparison that names why.
set -euo pipefail
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
source "$MRAD_SOURCE/tests/support/cli.sh"

if [ -n "${MRAD_SANITIZE-}" ]; then
    echo "skipped: cli/paper_jobs under the sanitizers (trains 31 heads)"
    exit 77
fi
mkdir "$dir/work"
cd "$dir/work"
"$bin/mrad-mock" --out data --size 64 --normal 3 --anomalous 3 --classes 1 >/dev/null
for root in data/*; do
    run 0 index "$(basename "$root")" "$root" --variant any
done
# models under the names that jobs/backbones.json has, small ones of the same kind
clip=embed=64,text_width=64,text_layers=4,context=77,vocab=914,layers=2,width=128,native_grid=4
for model in clip-vit-base-patch32=hf:patch=32,$clip clip-vit-base-patch16=hf:patch=16,$clip \
    clip-vit-large-patch14=hf:patch=2,$clip CLIP-ViT-H-14-laion2B-s32B-b79K=open_clip:patch=2,$clip \
    CLIP-ViT-bigG-14-laion2B-39B-b160k=open_clip:patch=2,hidden=600,$clip dinov2-base=dinov2:patch=2,native_grid=4,width=64,layers=2 \
    dinov2-large=dinov2:patch=2,native_grid=4,width=128,layers=2 \
    dinov2-with-registers-large=dinov2:patch=2,native_grid=4,width=128,layers=2,registers=4; do
    sizes=${model#*=}
    mkdir -p "weights/${model%%=*}"
    "$bin/mrad-weights" --out "$(grep -o "weights/${model%%=*}/[^\"]*" "$MRAD_SOURCE/jobs/backbones.json")" --names "${sizes%%:*}" --shape "${sizes#*:}"
done
for job in paper_main all_pairs ablation_prompt_bias ablation_bank_size ablation_dropout sensitivity seeds leave_one_out \
    leave_one_domain_out merged_banks backbones backbones_clip; do
    file=$MRAD_SOURCE/jobs/$job.json
    options=(--weights "$MRAD_SOURCE/configs/models/demo-clip/model.safetensors" --image-size 64 --set run.threads=1
        --set train.clip.deep_layers=2 --set train.clip.epochs=1)
    case $job in backbones*) # the sizes of the job's own models are too much here
        options+=(--set "$(sed -n 's/"model.image_size": [0-9]*/"model.image_size": 64/; /"ablations"/,/\]/p' "$file" |
            tr -d '\n' | sed 's/^ *"ablations": /ablations=/; s/,$//')" --set "model.tokenizer=$MRAD_SOURCE/configs/models/demo-clip") ;;
    esac
    [ "$job" != ablation_bank_size ] || options+=(--set 'ablations=[{"bank.reduce": ["kmeans", "random", "farthest"], "bank.entries": [4, 2]}]')
    launcher=("${two_ranks[@]}")
    run 0 sweep "$file" "${options[@]}"
    launcher=()
    check_py "$job" "$file" "results/$job/results.json" <<'PY'
import json
import pathlib
import re
import sys
from cli import METRICS, load
job = json.loads(re.sub(r"^\s*//.*$", "", pathlib.Path(sys.argv[1]).read_text(), flags=re.M))
tree = load(sys.argv[2])
sets = [name for name, entry in job["datasets"].items() if "merge" not in entry]
medical = {"HeadCT", "BrainMRI", "Br35H", "ISIC", "CVC-ClinicDB", "CVC-ColonDB", "Kvasir", "Endo", "CVC-300"}
pairs = {"all": {(a, b) for a in sets for b in sets if a != b},
         "protocol": {("mvtec" if b == "visa" else "visa", b) for b in sets},
         "leave-one-out": {(f"all-but-{b}", b) for b in sets},
         "leave-one-domain-out": {("all-but-" + ("medical" if b in medical else "industrial"), b) for b in sets}}.get(
             job["pairs"] if isinstance(job["pairs"], str) else "", {tuple(p) for p in job["pairs"] if len(p) == 2})
own = [m for m in tree["means"] if not m.get("ablation")]
want = {(v, *p, s) for v in job["variants"] for p in pairs for s in job.get("seeds", [111])}
# a variant without random numbers has the same rows for every seed
assert {(m["variant"], m["train"], m["test"], m["seed"]) for m in own} == want, len(own)
reasons = {(s["variant"], s["train"], s["test"], s.get("ablation"), s["metric"]) for s in tree["skipped"] if "metric" in s}
for row in tree["rows"]:
    for metric in METRICS:
        assert row[metric] is not None or (row["variant"], row["train"], row["test"], row.get("ablation"), metric) in reasons, row
print(f"{len(tree['rows'])} rows")
PY
done
grep -q '^## Not compared' results/paper_main/comparison.md || fail "no comparison beside the main tables"
for why in 'no published number was found' 'another variant of the data set: published on 467 normal and 1258 anomalous images, ours 3 and 3' \
    'not defined where it was published: the data set has no masks'; do
    grep -q -- "^- $why: " results/paper_main/comparison.md || fail "the comparison does not say: $why"
done
run 3 report results/paper_main --check paper
finish
