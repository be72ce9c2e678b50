#!/usr/bin/env bash
# slurm/submit.sh: one sweep over two nodes by sbatch and srun, with the bytes of a run without Slurm; what
# mrad doctor says inside a job; tasks that are not ranks of one MPI job are refused.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"
. "$MRAD_SOURCE/tests/support/slurm.sh"

start_with "cells fabric" '"features": {"shard_items": 3},'

make_job nodes world "cells fabric" '"features": {"shard_items": 3},'
submit_job nodes --nodes 2 --tasks-per-node 2 --time 5
demand_job "${id[sweep]}" COMPLETED 0:0
demand_same nodes calm
output=$dir/nodes-sweep-${id[sweep]}.out
output_has "$output" "job ${id[sweep]}: ends 20"
output_has "$output" "stops 60 s before"
[ "$(field "${id[sweep]}" NodeList)" = 'n[1-2]' ] || fail "the sweep ran on $(field "${id[sweep]}" NodeList)"
grep -qE '^\s"ranks":\s4,' "$dir/nodes/out/run.json" || fail "run.json does not say 4 ranks"
grep -q "\"SLURM_JOB_ID\":.*\"${id[sweep]}\"" "$dir/nodes/out/run.json" || fail "run.json does not name the job"
[ "$has_names" = 0 ] || grep -q '"host":.*"n1"' "$dir/nodes/out/run.json" || fail "run.json does not name the node"

# GPUs are claimed for each node, and a rank goes with each.
make_job gpus world "cells fabric" '"features": {"shard_items": 3},'
submit_job gpus --nodes 2 --gpus-per-node 2 --time 5
demand_job "${id[sweep]}" COMPLETED 0:0
demand_same gpus calm
field "${id[sweep]}" TresPerNode | grep -qE "gpu:2$" || fail "wanted 2 GPUs a node, the job has $(field "${id[sweep]}" TresPerNode)"
grep -qE '^\s"ranks":\s4,' "$dir/gpus/out/run.json" || fail "wanted a rank for each GPU"

doctor() { # WORDS OF SRUN...
    timeout 60 srun --time=5 "$@" >"$log" 2>&1
}
doctor -N 2 --ntasks-per-node=1 --mpi=pmix "$MRAD" doctor || fail "mrad doctor failed in a job"
grep -qE '^slurm +job [0-9]+, nodes 2 \(n\[1-2\]\), tasks 2, end' "$log" || fail "mrad doctor does not tell the job"
grep -qE '^ranks +2, ' "$log" || fail "mrad doctor does not find 2 ranks"
if doctor -N 2 --ntasks-per-node=1 --mpi=none "$MRAD" doctor; then fail "2 tasks without MPI passed"; fi
grep -qF "srun started 2 tasks, but not as ranks of one MPI job" "$log" || fail "tasks without MPI: no such message"

# What Slurm itself refuses is told, and nothing is submitted.
if "$submit" "$dir/nodes.json" --nodes 2 --time 5 --partition nowhere --logs "$dir" --mrad "$MRAD" >"$log" 2>&1; then
    fail "an unknown partition was accepted"
fi
grep -q 'nowhere\|artition' "$log" || fail "the message does not name the partition"
finish
