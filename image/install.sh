#!/bin/sh
# Makes the file set of the production image in an empty folder, as it stands in the image at /app.
# The Dockerfile runs this, and so does the test that starts the operator from it without a container engine.
#
#   image/install.sh FOLDER      from the root of the repository, with the Python that is to run it
#
# Everything is pinned by hash, our own wheel, too, and the same source makes the same bytes.
set -eu
folder="$1"
python="${PYTHON:-python3}"
# Neither the time nor the dice of this run may show: https://reproducible-builds.org/specs/source-date-epoch/
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1577836800}" PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1
umask 022

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$python" -m pip install --quiet --no-compile --target "$work/build" --require-hashes -r requirements/build.txt
PYTHONPATH="$work/build" "$python" -m hatchling build --target custom --directory "$work/wheel" >/dev/null
wheel="$(ls "$work"/wheel/*.whl)"
version="$(basename "$wheel" | cut -d- -f2)"
echo "neon-tenant-operator==$version --hash=sha256:$(sha256sum "$wheel" | cut -d' ' -f1)" >"$work/wheel.txt"

# One resolution of both: a dependency that the lock lacks is refused.
"$python" -m pip install --quiet --no-compile --only-binary=:all: --target "$folder" --find-links "$work/wheel" \
  --require-hashes -r requirements/run.txt -r "$work/wheel.txt"
# pip names the Python that installs; the image has one.
sed -i '1s|^#!.*|#!/usr/bin/env python3|' "$folder"/bin/*
PYTHON="$python" PYTHONPATH="$work/build" image/sbom.sh "$folder/sbom.cdx.json"

# The image is read-only: Python cannot keep what it compiled, so it is compiled here, and never looked up again.
"$python" -m compileall -q --invalidation-mode unchecked-hash -s "$folder" -p /app "$folder"
chmod -R u=rwX,go=rX "$folder"
find "$folder" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
