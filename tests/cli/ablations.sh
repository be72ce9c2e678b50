#!/usr/bin/env bash
# Ablations and seeds of a job: which cells there are and which are omitted, that a setting's rows are those of
# a job that has its values directly, mean and deviation over seeds, and every form of the results.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

small_shape=image=56,patch=14,native_grid=4,width=64,layers=2,embed=64,text_width=64,text_layers=3,context=24,vocab=128
make_world
train="\"train\": {\"batch\": 3, \"clip\": {\"tokens\": \"$MRAD_FIXTURES/tiny/golden.h5:/clip/tokens\", \"epochs\": 1,
  \"n_ctx\": 4, \"deep_layers\": 2, \"deep_len\": 2}},
 \"variants\": [\"mrad-tf\", \"mrad-ft\", \"mrad-clip\"], \"seeds\": [5, 6],
 \"features\": {\"shard_items\": 4}, \"pairs\": [[\"fabric\", \"parts\"], [\"cells\", \"parts\"]]"
# a value of the job's own, one that is new in each part, and a product that begins with an earlier setting
ablations='[{"score.k": [0.7, 0]}, {"bank.neighbour_pool": false}, {"train.dropout_pixel": 1, "train.dropout_image": 1},
  {"train.clip.tau": 0.2}, {"metrics.pro_limit": 0.5}, {"retrieval.tau": [1, 0.1], "score.k": [0, 1]}]'
write_job "$dir/job.json" "fabric parts cells" "$train, \"ablations\": $ablations"
write_job "$dir/plain.json" "fabric parts cells" "$train"

run 0 plan "$dir/job.json"
out_has "seeds     5 6"
out_has "ablation  score.k=0.7  12 cells omitted"
out_has "ablation  train.dropout_pixel=1 train.dropout_image=1  4 cells omitted" # those of mrad-tf
out_has "ablation  train.clip.tau=0.2  8 cells omitted"
out_has "ablation  retrieval.tau=1 score.k=0  12 cells omitted" # as score.k=0
out_has "omitted   36 cells: the ablation makes no difference there"
out_has "cell      mrad-ft, seed 6, bank.neighbour_pool=false  fabric -> parts  scores to make"
[ "$(grep -c '^cell' "$dir/out")" = $((3 * 2 * 2 * 11 - 36)) ] || fail "wrong number of cells: $(grep -c '^cell' "$dir/out")"
# banks: two data sets, pooled and not; heads: both kinds on each of them with each seed, and what differs
[ "$(grep -c '^bank' "$dir/out")" = 4 ] || fail "wanted four banks: $(grep '^bank' "$dir/out")"
[ "$(grep -c '^head      mrad-ft' "$dir/out")" = $((2 * 2 * 3)) ] || fail "wrong heads of mrad-ft"
[ "$(grep -c '^head      mrad-clip' "$dir/out")" = $((2 * 2 * 4)) ] || fail "wrong heads of mrad-clip"

run 0 sweep "$dir/job.json"
err_has "36 cells omitted"
cp "$dir/out" "$dir/sweep.txt"
[ "$(find "$dir/store/features" -name 'shard-*.h5' | wc -l)" = 7 ] || fail "the settings do not share features"
# one folder of scores less than cells for every seed but the first of mrad-tf, and for metrics.pro_limit
[ "$(find "$dir/store/scores" -name scores.h5 | wc -l)" = $((2 * (6 + 2 * 7 + 2 * 8))) ] ||
    fail "the settings do not share scores: $(find "$dir/store/scores" -name scores.h5 | wc -l)"

# each setting once more, as a job of its own in a store of its own
i=0
for set in "score.k=0" "bank.neighbour_pool=false" "train.dropout_pixel=1 train.dropout_image=1" "train.clip.tau=0.2" \
    "metrics.pro_limit=0.5" "retrieval.tau=0.1 score.k=1"; do
    i=$((i + 1))
    options=()
    for one in $set; do options+=(--set "$one"); done
    run 0 sweep "$dir/plain.json" --quiet --store "$dir/store-$i" --out "$dir/direct-$i" "${options[@]}"
    printf '%s\n' "$set" >"$dir/direct-$i/label"
done

check_py "ablations in results.json, rows.jsonl, results.csv and the tables" "$dir" "$MRAD_SOURCE/docs/FORMATS.md" <<'PY'
import json
import re
import sys
from cli import *
dir = sys.argv[1]
tree = load(f"{dir}/run/results.json")
rows, means = tree["rows"], tree["means"]
order = ["", "score.k=0.7", "score.k=0", "bank.neighbour_pool=false", "train.dropout_pixel=1 train.dropout_image=1",
         "train.clip.tau=0.2", "metrics.pro_limit=0.5", "retrieval.tau=1 score.k=0", "retrieval.tau=1 score.k=1",
         "retrieval.tau=0.1 score.k=0", "retrieval.tau=0.1 score.k=1"]
omitted = {"mrad-tf": {1, 4, 5, 7}, "mrad-ft": {1, 5, 7}, "mrad-clip": {1, 7}}
want = [(v, a, "parts", label, seed) for v in omitted for a in ("fabric", "cells")
        for i, label in enumerate(order) if i not in omitted[v] for seed in (5, 6)]
assert [(*setting(m), m["seed"]) for m in means] == want
for row in rows + means:
    assert "ablation" not in row or row["ablation"], row
    assert list(row) == [k for k in (*NAMES, "ablation", "seed", "n_normal", "n_anomalous", *METRICS) if k in row]
check_means(tree)
check_skipped(tree)
check_seeds(tree, 2)
assert list(tree) == ["rows", "means", "seeds", "skipped", "warnings"]
for entry in tree["seeds"]:
    assert entry["variant"] != "mrad-tf" or all(entry[m]["sd"] == 0 for m in METRICS), entry
assert any(e["p_auroc"]["sd"] > 1e-6 for e in tree["seeds"] if e["variant"] == "mrad-clip")
assert [json.loads(line) for line in open(f"{dir}/run/rows.jsonl")] == rows
check_csv(f"{dir}/run/results.csv", rows, means, tree["seeds"])
shown, seeds, classes = tables(f"{dir}/run/results.md")
check_table(classes, rows)
check_table(shown[:len(means)], means)
check_seeds_table(seeds, tree["seeds"])
assert tables(f"{dir}/sweep.txt") == [shown, seeds]
overall = [(line["variant"], line["ablation"]) for line in shown[len(means):]]
assert overall == [(v, label) for v in omitted for i, label in enumerate(order) if i not in omitted[v]]
used = load(f"{dir}/run/used.json")
assert len(used["ablations"]) == 10 and used["ablations"][-1] == {"retrieval.tau": 0.1, "score.k": 1}

# the rows of the job's own setting are those of a job without ablations; a setting's are those of a direct job
by_key = {(*names(r), r["seed"]): r for r in rows}
for i in range(1, 7):
    label = open(f"{dir}/direct-{i}/label").read().strip()
    direct = load(f"{dir}/direct-{i}/results.json")
    assert "ablation" not in json.dumps(direct)
    n = 0
    for row in direct["rows"]:
        got = by_key.get((*names(row)[:-1], label, row["seed"]))
        if got is None:  # omitted: then the direct job says what the job's own setting says
            got = by_key[(*names(row), row["seed"])]
        else:
            n += 1
            assert got["ablation"] == label
        assert {k: v for k, v in got.items() if k != "ablation"} == row, (label, got, row)
    assert n == 2 * 2 * 3 * sum(order.index(label) not in o for o in omitted.values()), (label, n)
# the fields are those of docs/FORMATS.md, in both directions
listed = {}
for line in [e for table in tables(sys.argv[2]) for e in table if "list of `results.json`" in e]:
    name = line["list of `results.json`"].strip("`")
    listed.setdefault(name, set()).update(re.findall(r"`([a-z_]+)`", line["fields"]))
assert set(listed) == set(tree), (set(listed), set(tree))
for name in ("rows", "means", "seeds"):
    want = listed[name] if name != "means" else listed["rows"] - {"class"}
    assert {k for entry in tree[name] for k in entry} - set(METRICS) == want, (name, want)

# and they are not all the same
assert len({json.dumps([m[k] for k in METRICS]) for m in means if m["variant"] == "mrad-ft" and m["seed"] == 5 and
            m["train"] == "fabric"}) >= 6
PY

# a job without ablations and with one seed says nothing of either
run 0 sweep "$dir/plain.json" --set 'seeds=[5]' --json --out "$dir/one"
out_lacks '"seeds"'
out_lacks '"ablation"'
! grep -q 'ablation\|Seeds\|seed' "$dir/one/results.md" || fail "results.md tells of seeds or ablations: $(cat "$dir/one/results.md")"

# again: nothing is made; report gives the same from results.json alone
listing "$dir/store" >"$dir/before"
cp -r "$dir/run" "$dir/first"
run 0 sweep "$dir/job.json"
cmp "$dir/out" "$dir/sweep.txt" || fail "a second sweep prints another table"
listing "$dir/store" | diff "$dir/before" - || fail "a second sweep touched the store"
mkdir "$dir/copy"
cp "$dir/run/results.json" "$dir/copy"
run 0 report "$dir/copy"
cmp "$dir/out" "$dir/sweep.txt" || fail "report prints another table than sweep"
for file in results.json results.md results.csv rows.jsonl; do
    cmp "$dir/first/$file" "$dir/run/$file" || fail "a second sweep writes another $file"
    cmp "$dir/first/$file" "$dir/copy/$file" || fail "report writes another $file"
done
# used.json is a job that means the same
run 0 plan "$dir/run/used.json"
out_lacks "to make"
out_has "omitted   36 cells"

# the stages on their own make what the sweep needs
run 0 bank "$dir/job.json" --store "$dir/parts"
[ "$(find "$dir/parts/bank" -name bank.h5 | wc -l)" = 6 ] || fail "bank does not make the banks of all settings"
run 0 train ft "$dir/job.json" --store "$dir/parts" --set 'seeds=[5]'
[ "$(find "$dir/parts/head" -name head.h5 | wc -l)" = 9 ] || fail "train does not make the heads of all settings"
run 0 plan "$dir/job.json" --store "$dir/parts" --set 'seeds=[5]' --set 'variants=["mrad-ft"]'
out_lacks "to train"

# --set replaces the list; wrong ones are refused with file, path, found and wanted
run 0 plan "$dir/job.json" --set 'ablations=[{"score.sigma": [0, 1]}]' --set 'variants=["mrad-tf"]'
out_has "ablation  score.sigma=1"
out_lacks "score.k=0"
out_lacks "omitted"
refused 2 '--set: ablations[1]: score.sgma: no such key, did you mean "score.sigma"?' plan "$dir/job.json" \
    --set 'ablations=[{"score.k": 0}, {"score.sgma": 1}]'
sed 's/"score.k": \[0.7, 0\]/"out": "x"/' "$dir/job.json" >"$dir/wrong.json"
refused 2 "$dir/wrong.json: ablations[0]: out: found a key that is no part of what a row is computed from" plan "$dir/wrong.json"
sed 's/"score.k": \[0.7, 0\]/"score.k": [0.7, 7]/' "$dir/job.json" >"$dir/wrong.json"
refused 2 "$dir/wrong.json: ablations[0]: score.k: found 7, wanted a number from 0 to 1" plan "$dir/wrong.json"
refused 2 "no ablations; use sweep for more" eval "$dir/plain.json" --train fabric --test parts --set 'seeds=[1]' \
    --set 'variants=["mrad-tf"]' --set 'ablations=[{"score.k": 0}]'
# a value that passes its range and is wrong in its place: the setting is named
refused 2 'ablation train.clip.n_ctx=75' plan "$dir/plain.json" --set 'ablations=[{"train.clip.n_ctx": 75}]'

# names with bars do not break a table
mkdir "$dir/bars"
cp -r "$dir/world/fabric" "$dir/bars/fabric"
run 0 sweep "$dir/plain.json" --set 'datasets={}' --dataset "a|b=$dir/bars/fabric" --set 'pairs=[["a|b", "a|b"]]' \
    --set 'variants=["mrad-tf"]' --set 'seeds=[1]' --out "$dir/barred"
check_py "names with bars" "$dir" <<'PY'
import sys
from cli import *
tree = load(f"{sys.argv[1]}/barred/results.json")
shown, classes = tables(f"{sys.argv[1]}/barred/results.md")
check_table(shown, tree["means"])
check_table(classes, tree["rows"])
assert shown[0]["train"] == "a|b"
PY
run 0 status "$dir/barred"
out_has ", 1 rank"
out_lacks "1 ranks"
# a head that was made elsewhere, beside the job's own
mkdir "$dir/given"
find "$dir/store-1/head/mrad-ft/fabric" -name head.h5 | sort | head -n1 | xargs -I{} cp {} "$dir/given/head.h5"
given=(--set 'pairs=[["fabric", "parts"]]' --set 'variants=["mrad-ft"]' --set 'seeds=[7]' --store "$dir/given/store")
run 0 sweep "$dir/plain.json" "${given[@]}" --out "$dir/given/both" --set "ablations=[{\"head.ft\": \"$dir/given/head.h5:/ft\"}]"
run 0 sweep "$dir/plain.json" "${given[@]}" --out "$dir/given/direct" --store "$dir/given/store-direct" --set "head.ft=$dir/given/head.h5:/ft"
check_py "a given head as an ablation" "$dir/given" <<'PY'
import sys
from cli import *
both, direct = (load(f"{sys.argv[1]}/{name}/results.json")["rows"] for name in ("both", "direct"))
given = [r for r in both if r.get("ablation", "").startswith("head.ft=")]
own = [r for r in both if "ablation" not in r]
assert [{k: v for k, v in r.items() if k != "ablation"} for r in given] == direct
assert len(own) == len(given) == 3 and any(a[m] != b[m] for a, b in zip(own, given) for m in METRICS)
PY
finish
