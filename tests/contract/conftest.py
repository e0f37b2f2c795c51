from __future__ import annotations

import pytest

from contract import document
from contract.referee import Referee, published


@pytest.fixture(scope="session")
def referee() -> Referee:
    try:
        return published()
    except document.NoDocumentError as error:
        # Without the document nothing here is checked: that is a failure, and no reason to skip.
        pytest.fail(str(error), pytrace=False)
