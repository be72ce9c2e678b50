#!/usr/bin/env bash
# Files of tensor/torch.h, written by write_torch.c, are read by torch.load and hold what was written
# (tools/golden/check_torch.py). Written again, they have the same bytes.
set -euo pipefail

python=
for candidate in python3 /usr/bin/python3; do # Debian's packages belong to its own
    if "$candidate" -c 'import torch' 2>/dev/null; then
        python=$candidate
        break
    fi
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/a" "$dir/b"

"$(dirname "$MRAD")/tests/write_torch" "$dir/a"
TZ=Asia/Tokyo "$(dirname "$MRAD")/tests/write_torch" "$dir/b"
diff -r "$dir/a" "$dir/b"
if [ -z "$python" ]; then
    echo "skipped: cli/torch (needs PyTorch; tools/setup.sh --python)"
    exit 77
fi
"$python" "$MRAD_SOURCE/tools/golden/check_torch.py" "$dir/a"
