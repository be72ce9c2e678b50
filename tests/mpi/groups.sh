#!/usr/bin/env bash
# Groups of ranks are formed beside the queue's messages, not among them (run_groups.c).
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

for n in 2 4; do
    timeout -k 5 60 mpirun --oversubscribe --bind-to none -n $n "$(dirname "$MRAD")/tests/run_groups" >"$log" 2>&1 ||
        fail "groups of $n ranks: ended with $?"
done
finish
