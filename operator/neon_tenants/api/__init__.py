"""What users write and read: the custom resources, their names and their words.

`tenant_database` and `database_tier` are the pydantic models that the CRDs in `crds/` are made
from (`crd`), so that schema, validation and Python agree. Nothing here decides anything.
"""
