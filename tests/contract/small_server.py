"""``cds-service`` on the small rulebook: ``python -m tests.contract.small_server serve …``.

So the tests of the server say nothing about the rules, and do not fail with them.
"""

from __future__ import annotations

from unittest.mock import patch

from cds_service.cli import main
from tests.contract.support import Advisor, small_rulebook

if __name__ == "__main__":
    with (
        patch("cds_service.app.load_rulebook", lambda directory, parameters: small_rulebook()),
        patch("cds_service.consultation.consult", Advisor()),
    ):
        main()
