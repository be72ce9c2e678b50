#!/usr/bin/env bash
# Install what the project needs, or say what is missing. Does nothing when everything is there.
#
#   tools/setup.sh [--checks] [--python] [--slurm]     --checks: what tools/check.sh needs too
#                                                      --python: what the golden scripts need too
#                                                      --slurm:  what tests/slurm needs too
#   tools/setup.sh --list                    the table as Markdown
#
# With apt and root (or sudo without a password) missing packages are installed. Elsewhere their names
# are printed for apt, dnf, conda-forge and Spack, and the exit status is 1. Nothing is looked up by
# package name, only by what the build will look for, so any way of installing will do.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where daemons lie

# group | what for | probe | apt | dnf | conda-forge | Spack
# A probe is KIND:NAME, or several of which one is enough: command, cmake (new enough), pkg-config
# module, header, library, Python module. "-" means that there is no such package (see notes below).
table='
build  | C compiler                         | cmd:cc cmd:gcc          | gcc libc6-dev       | gcc                 | c-compiler       | gcc
build  | build description, 3.25 or newer   | cmake:3.25              | cmake               | cmake               | cmake            | cmake
build  | build                              | cmd:ninja               | ninja-build         | ninja-build         | ninja            | ninja
build  | finding libraries                  | cmd:pkg-config          | pkg-config          | pkgconf-pkg-config  | pkg-config       | pkgconf
build  | the commit that a binary shows     | cmd:git                 | git                 | git                 | git              | git
build  | MPI, headers                       | cmd:mpicc               | libopenmpi-dev      | openmpi-devel       | openmpi-mpicc    | openmpi
build  | MPI, start                         | cmd:mpirun              | openmpi-bin         | openmpi             | openmpi          | openmpi
build  | artefacts                          | pc:hdf5-serial pc:hdf5  | libhdf5-dev         | hdf5-devel          | hdf5             | hdf5~mpi+hl
build  | looking into artefacts             | cmd:h5dump              | hdf5-tools          | hdf5                | hdf5             | hdf5+tools
build  | JSON                               | pc:libcjson             | libcjson-dev        | cjson-devel         | cjson            | cjson
build  | PNG, JPEG, BMP                     | h:stb/stb_image.h       | libstb-dev          | stb-devel           | -                | -
build  | TIFF                               | pc:libtiff-4            | libtiff-dev         | libtiff-devel       | libtiff          | libtiff
build  | matrix kernels                     | h:oneapi/dnnl/dnnl.h    | libdnnl-dev         | onednn-devel        | onednn           | onednn
build  | content hashes                     | pc:libxxhash            | libxxhash-dev       | xxhash-devel        | xxhash           | xxhash
build  | PNG checksums                      | pc:zlib                 | zlib1g-dev          | zlib-devel          | zlib             | zlib
build  | zip archives of PyTorch            | pc:libzip               | libzip-dev          | libzip-devel        | libzip           | libzip
build  | tests                              | pc:cmocka               | libcmocka-dev       | libcmocka-devel     | cmocka           | cmocka
checks | formatting                         | cmd:clang-format        | clang-format        | clang-tools-extra   | clang-format     | llvm
checks | linting                            | cmd:clang-tidy          | clang-tidy          | clang-tools-extra   | clang-tools      | llvm
checks | linting, by hand                   | cmd:cppcheck            | cppcheck            | cppcheck            | cppcheck         | cppcheck
checks | layer and header checks            | cmd:python3             | python3             | python3             | python           | python
python | golden scripts: networks           | py:torch                | python3-torch       | python3-torch       | pytorch          | py-torch
python | golden scripts: image transforms   | py:torchvision          | python3-torchvision | python3-torchvision | torchvision      | py-torchvision
python | golden scripts: AUROC, AP          | py:sklearn              | python3-sklearn     | python3-scikit-learn | scikit-learn    | py-scikit-learn
python | golden scripts: regions            | py:skimage              | python3-skimage     | python3-scikit-image | scikit-image    | py-scikit-image
python | golden scripts: filters            | py:scipy                | python3-scipy       | python3-scipy       | scipy            | py-scipy
python | golden scripts: images             | py:PIL                  | python3-pil         | python3-pillow      | pillow           | py-pillow
python | golden scripts: artefacts          | py:h5py                 | python3-h5py        | python3-h5py        | h5py             | py-h5py
python | golden scripts: speed              | lib:libopenblas         | libopenblas0-pthread | openblas-threads   | openblas         | openblas
slurm  | tests: controller                  | cmd:slurmctld           | slurmctld           | slurm-slurmctld     | -                | slurm
slurm  | tests: nodes                       | cmd:slurmd              | slurmd              | slurm-slurmd        | -                | slurm
slurm  | tests: submitting                  | cmd:sbatch              | slurm-client        | slurm               | -                | slurm
slurm  | tests: authentication              | cmd:munged              | munge               | munge               | -                | munge
'
notes='stb is a set of headers: where there is no package, put stb_image.h and stb_image_write.h from
https://github.com/nothings/stb into a folder "stb" of an include path (CMAKE_PREFIX_PATH/include/stb).
A cmake older than 3.25 (Ubuntu 22.04 has 3.22): pip install "cmake>=3.25", and put it first in PATH.
Fedora and its relatives hide MPI until: module load mpi/openmpi-x86_64'

rows() { # the table without padding, fields separated by |
    sed -e '/^$/d' -e 's/ *| */|/g' -e 's/ *$//' <<<"$table"
}

print_list() {
    echo '| for | apt | dnf | conda-forge | Spack | needed |'
    echo '| --- | --- | --- | --- | --- | --- |'
    rows | while IFS='|' read -r group what _ apt dnf conda spack; do
        case $group in
        build) group=always ;;
        checks) group='`--checks`' ;;
        python) group='`--python`' ;;
        slurm) group='`--slurm`' ;;
        esac
        echo "| $what | $apt | $dnf | $conda | $spack | $group |"
    done
    printf '\n%s\n' "$notes"
}

# Where compilers look without being told: system folders, a conda environment, a Spack view.
folders() { # include|lib
    local IFS=: part
    for part in /usr /usr/local ${CONDA_PREFIX:-} ${CMAKE_PREFIX_PATH:-}; do
        printf '%s\n' "$part/$1" "$part/${1}64" "$part/$1/$(uname -m)-linux-gnu"
    done
    [ "$1" = lib ] || printf '%s\n' ${CPATH:-} ${C_INCLUDE_PATH:-}
}

in_folders() { # include|lib NAME, a prefix for lib
    local dir
    while IFS= read -r dir; do
        if [ "$1" = include ]; then
            [ ! -f "$dir/$2" ] || return 0
        elif compgen -G "$dir/$2*" >/dev/null; then
            return 0
        fi
    done < <(folders "$1")
    return 1
}

has() { # PROBE
    local kind=${1%%:*} name=${1#*:} found
    case $kind in
    cmd) command -v "$name" >/dev/null ;;
    cmake)
        found=$(cmake --version 2>/dev/null | sed -n 's/^cmake version \([0-9.]*\).*/\1/p') || return 1
        [ -n "$found" ] && printf '%s\n' "$name" "$found" | sort -CV
        ;;
    pc) pkg-config --exists "$name" 2>/dev/null ;;
    h) in_folders include "$name" ;;
    lib) in_folders lib "$name" ;;
    py) [[ " $modules " == *" $name "* ]] ;;
    esac
}

# Python modules of the table that exist, found without loading them. Debian's packages belong to its
# own python, which need not be the first in PATH.
find_modules() {
    local python names
    names=$(rows | cut -d'|' -f3 | sed -n 's/^py:/ /p' | tr -d '\n')
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import importlib.util as u, sys; print(*filter(u.find_spec, sys.argv[1:]))' $names 2>/dev/null || true
    done | tr '\n' ' '
}

missing=() modules=
find_missing() { # sets missing to the rows whose probes all fail
    local row group what probes probe
    missing=()
    [[ $groups != *python* ]] || modules=$(find_modules)
    while IFS= read -r row; do
        IFS='|' read -r group what probes _ <<<"$row"
        [[ " $groups " == *" $group "* ]] || continue
        for probe in $probes; do
            ! has "$probe" || continue 2
        done
        missing+=("$row")
    done < <(rows)
}

column() { # NUMBER: that field of the missing rows, each word once
    printf '%s\n' "${missing[@]}" | cut -d'|' -f"$1" | tr ' ' '\n' | grep -vx -e - -e '' | sort -u | tr '\n' ' ' || true
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

groups=build
for arg; do
    case $arg in
    --checks) groups+=' checks' ;;
    --python) groups+=' python' ;;
    --slurm) groups+=' slurm' ;;
    --list) print_list && exit 0 ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
    esac
done

find_missing
[ ${#missing[@]} -gt 0 ] || exit 0

if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
    read -ra packages <<<"$(column 4)"
    echo "installing: ${packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}"
    hash -r
    find_missing
    [ ${#missing[@]} -gt 0 ] || exit 0
fi

{
    echo "missing:"
    printf '%s\n' "${missing[@]}" | while IFS='|' read -r _ what probes _; do echo "  $what ($probes)"; done
    echo "get it with one of:"
    echo "  apt-get install $(column 4)"
    echo "  dnf install $(column 5)"
    echo "  conda install -c conda-forge $(column 6)"
    echo "  spack install $(column 7)"
    echo "$notes"
} >&2
exit 1
