#!/bin/sh
# Writes the software bill of materials (CycloneDX): the operator, and each locked dependency with its hashes.
#
#   image/sbom.sh FILE      from the root of the repository, with a Python that has requirements/build.txt
set -eu
PYTHONWARNINGS=ignore "${PYTHON:-python3}" -m cyclonedx_py requirements requirements/run.txt \
  --pyproject pyproject.toml --mc-type application --output-reproducible --of JSON -o "$1"
