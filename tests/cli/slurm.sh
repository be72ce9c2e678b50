#!/usr/bin/env bash
# Inside a Slurm job, which is an environment: stopping before its end, mrad doctor, tasks that are no ranks;
# and --part, which shares a grid among jobs.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

for name in $(compgen -e | grep '^SLURM_' || true); do unset "$name"; done # as if these tests ran in no job
make_world
write_job "$dir/job.json" "fabric parts"

# ---- the end of the job ----

in_job() { export SLURM_JOB_ID=42 SLURM_JOB_END_TIME=$1; }
now() { date +%s; }

run 0 plan "$dir/job.json"
! grep -q slurm: "$dir/err" || fail "$last: speaks of Slurm outside a job"
in_job ''
run 0 plan "$dir/job.json"
err_has 'slurm: job 42: SLURM_JOB_END_TIME is not set: only a signal stops this run'
end=$(($(now) + 3600))
in_job "$end"
run 0 plan "$dir/job.json"
err_has "slurm: job 42: ends $(date -u -d "@$end" +%FT%TZ), in "
err_has 'stops 60 s before (run.time_margin)'

# over already, in the margin, just over: nothing is made, whatever the verb
for verb in sweep extract bank 'train ft'; do
    for left in -100 30 0; do
        in_job $(($(now) + left))
        # shellcheck disable=SC2086
        run 75 $verb "$dir/job.json"
        err_has 'stopped on request'
    done
done
[ ! -d "$dir/store/features" ] || [ -z "$(find "$dir/store/features" -name '*.h5')" ] || fail "$last: made shards"
in_job 1000000000
run 0 plan "$dir/job.json"
err_has 'ends 2001-09-09T01:46:40Z, over since '

# --time-left comes first, and then the variable may be anything
run 0 sweep "$dir/job.json" --time-left 600
err_has 'slurm: job 42: stops in 600.0 s as told (run.time_left)'
rm -rf "$dir/store"
in_job $(($(now) + 3600))
run 75 sweep "$dir/job.json" --time-left 0.000001
run 75 sweep "$dir/job.json" --set run.time_margin=3600
run 0 sweep "$dir/job.json" --set run.time_margin=0
in_job nonsense
run 0 plan "$dir/job.json" --time-left 600
for text in nonsense 12h -1 0 0x10z nan inf 1e300 '1 2'; do
    in_job "$text"
    refused 2 "SLURM_JOB_END_TIME: found \"$text\", wanted seconds since 1970" plan "$dir/job.json"
done
refused 2 'run.time_margin' plan "$dir/job.json" --set run.time_margin=-1
unset SLURM_JOB_ID
run 0 plan "$dir/job.json" # no job, no matter

# ---- doctor ----

run 0 doctor
! grep -q '^slurm' "$dir/out" || fail "$last: speaks of Slurm outside a job"
in_job "$end"
export SLURM_ARRAY_JOB_ID=40 SLURM_ARRAY_TASK_ID=2 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=n7 SLURM_NTASKS=1
run 0 doctor
grep -qE "^slurm +job 42 \(task 2 of array 40\), nodes 1 \(n7\), tasks 1, ends $(date -u -d "@$end" +%FT%TZ), in [0-9]+ min [0-9]+ s\$" "$dir/out" ||
    fail "$last: $(cat "$dir/out")"
SLURM_NTASKS=4 run 0 doctor --json
out_has 'tasks 4, ends'
out_has 'but ranks 1: start it with srun --mpi=pmix'
in_job ''
run 0 doctor
out_has 'end unknown (SLURM_JOB_END_TIME is not set)'

# ---- several tasks without MPI ----

export SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4
refused 1 'srun started 4 tasks, but not as ranks of one MPI job' plan "$dir/job.json"
run 0 version
SLURM_STEP_NUM_TASKS=1 run 0 plan "$dir/job.json"
for name in $(compgen -e | grep '^SLURM_'); do unset "$name"; done

# ---- parts ----

write_job "$dir/grid.json" "fabric parts cells" '"pairs": "all", "seeds": [1, 2]'
cells() { grep '^cell ' "$dir/out" | sed 's/  scores.*//'; }
run 0 plan "$dir/grid.json"
cells | sort >"$dir/all"
for n in 1 2 3 4 6; do
    : >"$dir/parts"
    for ((i = 0; i < n; i++)); do
        run 0 plan "$dir/grid.json" --part "$i/$n"
        cells >>"$dir/parts"
        least=$((6 / n)) # pairs, of two seeds each
        [ "$(cells | wc -l)" -ge $((2 * least)) ] || fail "$last: $(cells | wc -l) cells, wanted $((2 * least)) or more"
    done
    sort "$dir/parts" | diff "$dir/all" - >"$dir/diff" || fail "$n parts are not the whole: $(cat "$dir/diff")"
done
run 0 plan "$dir/grid.json" --set run.part=1/4
[ "$(cells | sed 's/.*  //' | uniq)" = $'fabric -> cells\ncells -> parts' ] || fail "part 1/4 is $(cells)"
for text in 3/3 4/3 /3 3/ 3 ' ' a/b 1/2/3 -1/3 +1/3 '1 /3' 1/0 0/0 0x1/3 0/99999999999999999999; do
    refused 2 "run.part: found \"$text\", wanted I/N with I from 0 to N - 1" plan "$dir/grid.json" --part="$text"
done
refused 2 'run.part: found "0/7", but there are only 6 pairs to share' plan "$dir/grid.json" --part 0/7
refused 2 'run.part: only a sweep has parts' extract "$dir/grid.json" --set run.part=0/2
refused 2 'no option --part' extract "$dir/grid.json" --part 0/2

# A part writes beside the others, and the whole finds what they made.
for i in 0 1; do
    run 0 sweep "$dir/grid.json" --part "$i/2" --out "$dir/grid"
    [ -f "$dir/grid/part-$i-of-2/results.json" ] || fail "$last: no results in part-$i-of-2"
    grep -q "\"part\":.*\"$i/2\"" "$dir/grid/part-$i-of-2/used.json" || fail "$last: used.json does not tell the part"
done
[ ! -e "$dir/grid/results.json" ] || fail "a part wrote the whole's results"
before=$(listing "$dir/store")
run 0 sweep "$dir/grid.json" --out "$dir/grid"
[ "$(listing "$dir/store")" = "$before" ] || fail "$last: made something again"
cat "$dir"/grid/part-*/rows.jsonl | sort | cmp - <(sort "$dir/grid/rows.jsonl") || fail "the parts' rows are not the whole's"
finish
