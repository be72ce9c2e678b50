#!/usr/bin/env bash
# From a bare clone to a table: installs what is missing, builds, generates data and weights, sweeps all
# pairs of jobs/demo.json and prints the table and where the report lies. Run it again: nothing is done
# twice. RANKS=N sets the number of MPI ranks (default 2).
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

bin=build/release
tools/setup.sh >&2
[ -f "$bin/build.ninja" ] || cmake --preset release --log-level=WARNING >&2
cmake --build --preset release -- --quiet >&2

if [ ! -f demo/model.safetensors ]; then
    echo "demo: generating weights (random, not trained)" >&2
    mkdir -p demo
    "$bin/mrad-weights" --seed 1 --out demo/model.safetensors \
        --shape image=224,patch=16,native_grid=7,width=192,layers=6,embed=128,text_width=128,text_layers=1,context=32,vocab=64
fi
if [ ! -f demo/data/scans/meta.json ]; then # written last
    echo "demo: drawing the pictures" >&2
    "$bin/mrad-synth" --out demo/data --part benchmark --seed 1 --size 224 --normal 12 --anomalous 12 >&2
fi

if [ "$(id -u)" = 0 ]; then # Open MPI wants to hear twice that root is meant
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_mpi_yield_when_idle=1
mpirun -n "${RANKS:-2}" --oversubscribe --bind-to none "$bin/mrad" sweep jobs/demo.json
echo
echo "The weights are random: this shows the chain, not the method."
echo "Report: results/demo/results.md"
