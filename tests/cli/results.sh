#!/usr/bin/env bash
# One grid of three data sets: what sweep, eval, metrics, report and status say about it agrees, in every
# form, and running it again makes nothing.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric parts cells"

run 0 sweep "$dir/job.json"
cp "$dir/out" "$dir/sweep.txt"
err_has "report: $dir/run/results.md"
run 0 sweep "$dir/job.json" --json
cmp "$dir/out" "$dir/run/results.json" || fail "sweep --json is not results.json"

check_py "results.json, rows.jsonl, results.csv, results.md and the printed table" "$dir" <<'PY'
import json
import sys
from cli import *
dir = sys.argv[1]
tree = load(f"{dir}/run/results.json")
rows, means = tree["rows"], tree["means"]
sets = ["fabric", "parts", "cells"]
assert [(m["train"], m["test"]) for m in means] == [(a, b) for a in sets for b in sets if a != b]
assert len(rows) == 14 and len({names(r) for r in rows}) == 14
for row in rows:
    assert list(row) == [*NAMES, "seed", "n_normal", "n_anomalous", *METRICS], row
    assert row["seed"] == 111 and row["n_normal"] == row["n_anomalous"] == 2
    assert all(0 <= row[m] <= 1 for m in METRICS), row
check_means(tree)
check_skipped(tree)
assert [json.loads(l) for l in open(f"{dir}/run/rows.jsonl")] == rows
check_csv(f"{dir}/run/results.csv", rows, means)
overall = {m: sum(r[m] for r in means) / len(means) for m in METRICS}
overall.update(variant="mrad-tf", train="mean")
shown, classes = tables(f"{dir}/run/results.md")
check_table(shown, [*means, overall])
check_table(classes, rows)
assert tables(f"{dir}/sweep.txt") == [shown]
# the numbers differ between cells, or all of this would be easy
assert len({r["p_auroc"] for r in rows}) == 14
used = load(f"{dir}/run/used.json")
assert used["score"]["k"] == 0.7 and list(used["datasets"]) == sets and used["pairs"] == "all"
assert load(f"{dir}/run/run.json")["ranks"] == 1
PY

# a second run: nothing is made, the same is printed and written
listing "$dir/store" >"$dir/before"
mkdir "$dir/first"
cp "$dir"/run/results.* "$dir"/run/rows.jsonl "$dir/first"
run 0 sweep "$dir/job.json"
cmp "$dir/out" "$dir/sweep.txt" || fail "a second sweep prints another table"
listing "$dir/store" | diff "$dir/before" - || fail "a second sweep touched the store"
! grep -q ' made' "$dir/err" || fail "a second sweep says that it made something: $(cat "$dir/err")"
for file in "$dir/first"/*; do
    cmp "$file" "$dir/run/${file##*/}" || fail "a second sweep writes another ${file##*/}"
done

# report: byte for byte from results.json alone
mkdir "$dir/copy"
cp "$dir/run/results.json" "$dir/copy"
run 0 report "$dir/copy"
cmp "$dir/out" "$dir/sweep.txt" || fail "report prints another table than sweep"
run 0 report "$dir/run" --out "$dir/there/and there" --json
cmp "$dir/out" "$dir/run/results.json" || fail "report --json is not results.json"
for file in "$dir/first"/*; do
    cmp "$file" "$dir/copy/${file##*/}" || fail "report writes another ${file##*/}"
    cmp "$file" "$dir/there/and there/${file##*/}" || fail "report --out writes another ${file##*/}"
done
refused 1 "cannot open $dir/none/results.json" report "$dir/none"
echo '{"rows": [{"variant": "mrad-tf"}], "means": []}' >"$dir/copy/results.json"
refused 1 "$dir/copy/results.json: a row has no text \"train\"" report "$dir/copy"

run 0 status "$dir/run"
out_has "done, started"
out_has "measure"
run 0 status "$dir/run" --json
check_py "status --json" "$dir/out" <<'PY'
import sys
from cli import load
s = load(sys.argv[1])
assert s["state"] == "done" and s["message"] == "" and s["ranks"] == 1 and s["pid"] > 0
assert [x["stage"] for x in s["stages"]] == ["extract", "bank", "gather", "train", "score", "join", "measure"]
assert all(x["done"] == x["total"] == 0 and x["unit"] for x in s["stages"])  # the second run made nothing
PY
refused 1 "cannot open $dir/none/status.json" status "$dir/none"

# eval of one pair: from the store, the same rows; its dump measured by `metrics` gives them too
run 0 eval "$dir/job.json" --train parts --test cells --dump "$dir/dump.h5" --out "$dir/eval"
cp "$dir/out" "$dir/eval.txt"
run 0 eval "$dir/job.json" --train parts --test cells --json
cmp "$dir/out" "$dir/eval/results.json" || fail "eval --json is not the results.json of --out"
run 0 metrics "$dir/dump.h5" --json
cp "$dir/out" "$dir/metrics.json"
run 0 metrics "$dir/dump.h5"
cp "$dir/out" "$dir/metrics.txt"
listing "$dir/store" | diff "$dir/before" - || fail "eval touched the store"
check_py "eval and metrics against sweep" "$dir" <<'PY'
import sys
from cli import *
dir = sys.argv[1]
tree = load(f"{dir}/run/results.json")
rows = [r for r in tree["rows"] if (r["train"], r["test"]) == ("parts", "cells")]
one = load(f"{dir}/eval/results.json")
assert len(rows) == 2 and one["rows"] == rows
assert one["means"] == [m for m in tree["means"] if (m["train"], m["test"]) == ("parts", "cells")]
check_table(*tables(f"{dir}/eval.txt"), rows)
again = load(f"{dir}/metrics.json")["rows"]
assert [r["class"] for r in again] == [r["class"] for r in rows]
for a, b in zip(again, rows):
    same_metrics(a, b, 1e-12)
    assert (a["n_normal"], a["n_anomalous"]) == (b["n_normal"], b["n_anomalous"])
check_table(*tables(f"{dir}/metrics.txt"), again)
PY

# a pair alone, in a store of its own, gives the same rows: no cell knows of the others
run 0 eval "$dir/job.json" --train parts --test cells --json --store "$dir/other store" --quiet
cmp "$dir/out" "$dir/eval/results.json" || fail "eval in another store gives other numbers"
[ ! -s "$dir/err" ] || fail "--quiet is not: $(cat "$dir/err")"
finish
