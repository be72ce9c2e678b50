#!/usr/bin/env bash
# From a bare clone to a table: installs what is missing, builds, draws four data sets, sweeps all pairs of
# jobs/demo.json with all three variants and prints the table and where the report lies. Run it again: nothing
# is done twice. RANKS=N sets the number of MPI ranks (default 2).
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

bin=build/release
tools/setup.sh >&2
[ -f "$bin/build.ninja" ] || cmake --preset release --log-level=WARNING >&2
cmake --build --preset release -- --quiet >&2

if [ ! -f demo/data/scans/meta.json ]; then # written last
    echo "demo: drawing the pictures" >&2
    "$bin/mrad-synth" --out demo/data --part benchmark --seed 1 --size 224 --normal 16 --anomalous 16 >&2
fi

if [ "$(id -u)" = 0 ]; then # Open MPI wants to hear twice that root is meant
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_mpi_yield_when_idle=1
mpirun -n "${RANKS:-2}" --oversubscribe --bind-to none "$bin/mrad" sweep jobs/demo.json
echo
echo "Generated pictures and a demonstration model (configs/models/demo-clip): not the method's published results."
echo "Report: results/demo/results.md"
