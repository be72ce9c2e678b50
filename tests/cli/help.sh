#!/usr/bin/env bash
# Help, usage errors, version and doctor: what goes where, and with which exit status.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

verbs=$(sed -n 's/^VERB(\([a-z]*\),.*/\1/p' "$MRAD_SOURCE/src/cmd/cmd.def")
[ "$(wc -w <<<"$verbs")" -ge 12 ] || fail "cmd.def lists too few verbs: $verbs"

err_is_empty() {
    [ ! -s "$dir/err" ] || fail "$last: wanted nothing on stderr, got: $(head -c 300 "$dir/err")"
}

run 0 help
err_is_empty
cp "$dir/out" "$dir/help"
for verb in $verbs; do
    grep -qE "^  $verb( |\$)" "$dir/help" || fail "mrad help does not list $verb"
done
for spelling in '' --help -h; do
    # shellcheck disable=SC2086 # the empty one is no argument
    run "$([ -n "$spelling" ] && echo 0 || echo 2)" $spelling
    err_is_empty
    cmp -s "$dir/out" "$dir/help" || fail "mrad $spelling does not print what mrad help prints"
done

for verb in $verbs; do
    run 0 help "$verb"
    err_is_empty
    out_has "usage: mrad $verb"
    out_has "--help"
    cp "$dir/out" "$dir/help"
    run 0 "$verb" --help
    err_is_empty
    cmp -s "$dir/out" "$dir/help" || fail "mrad $verb --help is not mrad help $verb"
    refused 2 "did you mean --quiet" "$verb" --quit
    refused 2 "no option --xyzzyplugh" "$verb" --xyzzyplugh
    refused 2 "no option -q" "$verb" -q
done

# Every field of the table, with its default and a line of help.
run 0 help config
sed -n 's/^    {"\([a-z_.]*\)", KIND_.*/\1/p' "$MRAD_SOURCE/src/config/config_fields.c" >"$dir/fields"
[ "$(wc -l <"$dir/fields")" -ge 20 ] || fail "found too few fields: $(cat "$dir/fields")"
while IFS= read -r field; do
    grep -qE "^  ${field//./\\.}( .*)? \(default " "$dir/out" || fail "mrad help config does not list $field"
done <"$dir/fields"
[ "$(grep -c '(default ' "$dir/out")" = "$(wc -l <"$dir/fields")" ] ||
    fail "mrad help config lists other keys than the table"

refused 2 'no verb "sweeep", did you mean "sweep"?' sweeep
refused 2 'no verb "metric", did you mean "metrics"?' help metric
refused 2 "'mrad help' lists them" xyzzyplugh
refused 2 'wanted at most one verb' help sweep plan

refused 2 'sweep: wanted one job file, got 0 operands' sweep
refused 2 'sweep: wanted one job file, got 2 operands' sweep a b
refused 2 'plan: wanted one job file, got 0 operands' plan
refused 2 'extract: wanted at most one job file, got 2 operands' extract a b
refused 2 'bank: wanted at most one job file, got 2 operands' bank a b
refused 2 'metrics: wanted one HDF5 file, got 0 operands' metrics
refused 2 'status: wanted' status
refused 2 'report: wanted' report a b
refused 2 'doctor: wanted no operand, got 1 operand' doctor job.json
refused 2 'version: wanted no operand, got 1 operand' version x
refused 2 'bench: wanted one of gemm' bench
refused 2 'no subject "gem"' bench gem
refused 2 'eval: wants --train NAME and --test NAME' eval
refused 2 'did you mean --train' eval --trian a
refused 2 '--out: wants PATH after it' sweep --out
refused 2 'wanted a whole number from 1' bench gemm --repeat 0
refused 2 'wanted NAME=ROOT' plan job.json --dataset justaname
run 2 index mvtec
err_has 'wanted DATASET and ROOT'
err_has 'layout:yes-no'
out_is_empty
refused 2 'did you mean mvtec?' index mvtek "$dir"

run 0 version --json
cp "$dir/out" "$dir/version.json"
run 0 --version
out_has "commit"
run 0 version
run 0 doctor --json
cp "$dir/out" "$dir/doctor.json"
check_py "version --json, doctor --json" "$dir/version.json" "$dir/doctor.json" <<'PY'
import sys
from cli import load
version, doctor = load(sys.argv[1]), load(sys.argv[2])
libraries = ["mpi", "hdf5", "cpu kernels", "cuda", "nccl", "images", "cjson", "hashes", "archives", "zlib"]
assert list(version) == ["mrad", "commit", "build", "compiler", "flags", *libraries], list(version)
assert list(doctor) == [*libraries, "ranks", "threads", "memory", "weights", "store"], list(doctor)
assert all(isinstance(v, str) and v for v in (*version.values(), *doctor.values()))
PY

"$bin/mrad-weights" --out "$dir/w.safetensors" --shape "$small_shape"
run 0 doctor --weights "$dir/w.safetensors"
out_has "ViT of width 64, 2 blocks, patch 7"
run 0 doctor --weights "$dir/nothing"
out_has "cannot be used: cannot open $dir/nothing"
finish
