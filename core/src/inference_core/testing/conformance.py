"""The class that an author inherits: all checks together."""

from __future__ import annotations

from inference_core.testing.answer_checks import AnswerChecks
from inference_core.testing.declaration_checks import DeclarationChecks
from inference_core.testing.import_checks import ImportChecks
from inference_core.testing.lifetime_checks import LifetimeChecks
from inference_core.testing.option_checks import OptionChecks
from inference_core.testing.packaging_checks import PackagingChecks
from inference_core.testing.verdict_checks import VerdictChecks


# pytest runs the tests of the last base first: from what is installed to what stays in the end.
class BackendConformance(
    LifetimeChecks,
    OptionChecks,
    AnswerChecks,
    DeclarationChecks,
    VerdictChecks,
    ImportChecks,
    PackagingChecks,
):
    """Tests of a backend, for its author to inherit.

    Supply two things:

        backend: the entry point's name.
        make_sample(folder): writes a small model into the folder and returns a `Sample`.

    For a slow runtime there are two more:

        rounds: how often the model is loaded and closed to see what stays; 50.
        timeout: seconds after which a child process counts as hung; 300.

    Every failure says what to change. Sessions need not be picklable: nothing here asks for it.
    """
