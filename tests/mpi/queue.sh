#!/usr/bin/env bash
# The unit tests of sweep/queue and par/ (tests/unit/test_queue.c) as 1 to 4 ranks of an MPI job: the
# queue over ranks, failing and stopping together, agreement, broadcast, gathering with empty shares.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

for n in 1 2 3 4; do
    timeout -k 5 60 mpirun --oversubscribe --bind-to none -n "$n" "$(dirname "$MRAD")/tests/test_queue" \
        >"$log" 2>&1 || fail "$n ranks: status $?"
    # No test is lost, and it was an MPI job of n ranks.
    [ "$(grep -c '^\[  PASSED  \] ' "$log")" = "$n" ] || fail "wanted $n ranks that pass"
done

# The same queue as a subject of bench; the others run alone.
for n in 2 4; do
    demand 0 "$n" bench queue
    grep -q "^queue, $n ranks" "$log" || fail "bench queue on $n ranks says something else"
done
demand_each 2 2 bench gemm
grep -q 'only queue is measured on several ranks' "$log" || fail "bench gemm on two ranks gives another reason"
finish
