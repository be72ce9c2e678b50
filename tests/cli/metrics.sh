#!/usr/bin/env bash
# `mrad metrics` on the reference file of tests/fixtures: its rows, its forms, and files that it refuses.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

file=$MRAD_FIXTURES/metrics/metrics.h5
run 0 metrics "$file" --json
cp "$dir/out" "$dir/json"
[ ! -s "$dir/err" ] || fail "$last says on stderr: $(cat "$dir/err")"
run 0 metrics "$file"
cp "$dir/out" "$dir/text"
check_py "metrics of the reference file" "$dir" "$file" <<'PY'
import sys
from cli import *
dir, file = sys.argv[1:]
tree = load(f"{dir}/json")
groups = ("all_normal confident20 confident4 constant denormal diagonal_touch inverted negative_scores no_normal_image "
          "odd_size one_pixel_defects perfect ring_and_border single_image smooth soft ties2 ties8 wide_range").split()
assert [r["class"] for r in tree["rows"]] == groups
assert all(r["test"] == file and r["train"] == "" and r["seed"] == 0 for r in tree["rows"])
check_skipped(tree)
check_means(tree)
row = {r["class"]: r for r in tree["rows"]}
null = {c: [m for m in METRICS if r[m] is None] for c, r in row.items()}
assert {c: n for c, n in null.items() if n} == {
    "all_normal": list(METRICS), "constant": ["pro"], "inverted": ["pro"], "no_normal_image": ["i_auroc"],
    "perfect": ["pro"], "single_image": ["i_auroc"], "ties2": ["pro"]}, null
assert (row["all_normal"]["n_normal"], row["all_normal"]["n_anomalous"]) == (4, 0)
assert row["constant"]["p_auroc"] == row["constant"]["i_auroc"] == 0.5
assert row["perfect"]["p_auroc"] == row["perfect"]["pro_exact"] == 1 and row["inverted"]["p_auroc"] == 0
for other in ("soft", "denormal", "negative_scores"):  # the ranks are those of smooth, but for rounding
    same_metrics(row[other], row["smooth"], 1e-4, [m for m in METRICS if m != "pro"])
why = {(s["class"], s["metric"]): s["why"] for s in tree["skipped"]}
assert why["all_normal", "p_auroc"] == "no defect pixel" and why["no_normal_image", "i_auroc"] == "no normal image"
check_table(*tables(f"{dir}/text"), tree["rows"])
told = remarks(f"{dir}/text")
assert len(told) == len(tree["skipped"]) + len(tree["warnings"]) == 14 + 3, told
assert f"{file}/constant: no PRO: all pixel scores are equal" in told, told
assert any(t.startswith("warning: wide_range: published PRO is coarse") for t in told), told
PY

# --out: the same into a file, nothing on stdout
for form in --json ''; do
    # shellcheck disable=SC2086 # the empty one is no argument
    run 0 metrics "$file" $form --out "$dir/a folder/metrics"
    out_is_empty
    cmp "$dir/a folder/metrics" "$dir/$([ -z "$form" ] && echo text || echo json)" ||
        fail "metrics $form --out writes something else than metrics $form prints"
done
refused 1 "cannot make the folder $file" metrics "$file" --out "$file/x"

echo 'this is no HDF5' >"$dir/text file"
head -c 5000 "$file" >"$dir/cut.h5"
refused 1 "$dir/text file: not a readable HDF5 file" metrics "$dir/text file"
refused 1 "$dir/cut.h5: not a readable HDF5 file" metrics "$dir/cut.h5"
refused 1 "cannot open $dir/none.h5: No such file" metrics "$dir/none.h5"
refused 1 "cannot open $dir: it is no file" metrics "$dir"

# Files that lack something, made from the reference file by HDF5 itself.
library=$(ldd "$MRAD" | sed -n 's/.*libhdf5[^ ]* => \([^ ]*\).*/\1/p' | head -n1)
[ -n "$library" ] || fail "mrad is not linked to HDF5"
damage() { # NAME [-LINK] [FROM>TO]...: a copy of the file with links removed and moved
    cp "$file" "$dir/$1"
    chmod u+w "$dir/$1"
    check_py "cannot make $1" "$library" "$dir/$1" "${@:2}" <<'PY'
import ctypes
import sys
h5 = ctypes.CDLL(sys.argv[1])
h5.H5open()
h5.H5Fopen.restype = ctypes.c_int64
h5.H5Fopen.argtypes = [ctypes.c_char_p, ctypes.c_uint, ctypes.c_int64]
h5.H5Ldelete.argtypes = [ctypes.c_int64, ctypes.c_char_p, ctypes.c_int64]
h5.H5Lmove.argtypes = [ctypes.c_int64, ctypes.c_char_p] * 2 + [ctypes.c_int64] * 2
h5.H5Fclose.argtypes = [ctypes.c_int64]
f = h5.H5Fopen(sys.argv[2].encode(), 1, 0)
assert f >= 0
for step in sys.argv[3:]:
    if step[0] == "-":
        assert h5.H5Ldelete(f, step[1:].encode(), 0) >= 0, step
    else:
        a, b = step.encode().split(b">")
        assert h5.H5Lmove(f, a, f, b, 0, 0) >= 0, step
assert h5.H5Fclose(f) >= 0
PY
}
damage no_label.h5 -constant/label
refused 1 "$dir/no_label.h5: has no dataset 'constant/label'" metrics "$dir/no_label.h5"
damage no_score.h5 -constant/score
refused 1 "$dir/no_score.h5: has no dataset 'constant/score'" metrics "$dir/no_score.h5"
damage long_score.h5 -constant/score 'single_image/score>constant/score'
refused 1 "$dir/long_score.h5: dataset 'constant/score' has shape (1), wanted (" metrics "$dir/long_score.h5"
damage other_map.h5 -constant/map 'odd_size/map>constant/map'
refused 1 "$dir/other_map.h5: dataset 'constant/map' has shape (7,37,53), wanted (" metrics "$dir/other_map.h5"
damage flat_map.h5 -constant/map 'soft/score>constant/map'
refused 1 "$dir/flat_map.h5: dataset 'constant/map' has shape (12), wanted (" metrics "$dir/flat_map.h5"
damage no_class.h5 'smooth/label>label' 'smooth/score>score'
refused 1 "$dir/no_class.h5: has no dataset 'class'" metrics "$dir/no_class.h5"
damage scores_as_labels.h5 -constant/label 'soft/score>constant/label'
run 1 metrics "$dir/scores_as_labels.h5"
err_has "$dir/scores_as_labels.h5"
err_has "constant"

# without maps: image metrics only, and the reason for the others
damage no_map.h5 -smooth/map
run 0 metrics "$dir/no_map.h5" --json
check_py "a group without maps" "$dir/json" "$dir/out" <<'PY'
import sys
from cli import *
before, after = ({r["class"]: r for r in load(p)["rows"]}["smooth"] for p in sys.argv[1:])
same_metrics(before, after, 0, [m for m in METRICS if m[:2] == "i_"])
assert all(after[m] is None for m in METRICS if m[:2] != "i_")
check_skipped(load(sys.argv[2]))
PY
finish
