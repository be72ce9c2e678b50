#!/usr/bin/env bash
# Runs fuzz_torch.c for MRAD_FUZZ_SECONDS (default 10): no crash, no memory left, nothing that takes 30 s.
# The sanitizer build sees the most. MRAD_FUZZ_SEED chooses other inputs.
set -euo pipefail

exec "$(dirname "$MRAD")/tests/fuzz_torch" "${MRAD_FUZZ_SECONDS:-10}" "${MRAD_FUZZ_SEED:-1}"
