"""The class that an author inherits: all checks together."""

from __future__ import annotations

from inference_core.testing.answer_checks import AnswerChecks
from inference_core.testing.import_checks import ImportChecks
from inference_core.testing.lifetime_checks import LifetimeChecks
from inference_core.testing.option_checks import OptionChecks
from inference_core.testing.packaging_checks import PackagingChecks
from inference_core.testing.verdict_checks import VerdictChecks


class BackendConformance(
    PackagingChecks, ImportChecks, VerdictChecks, AnswerChecks, OptionChecks, LifetimeChecks
):
    """Tests of a backend, for its author to inherit.

    Supply two things:

        backend: the entry point's name.
        make_sample(folder): writes a small model into the folder and returns a `Sample`.

    Every failure says what to change. Sessions need not be picklable: nothing here asks for it.
    """
