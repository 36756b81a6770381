"""The torch backend as core finds it: the four hooks, and no torch until `load`.

Nothing here imports torch or numpy: what takes them is in `loading`, `session` and `deep_probe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inference_core.hookspecs import hookimpl
from inference_core.verdict import BackendReport, Reason, Verdict

from inference_torch.install_state import installed, wrong_build
from inference_torch.options import TorchOptions

if TYPE_CHECKING:
    from inference_core.environment import Environment
    from inference_core.package import Artifact, Request

    from inference_torch.session import TorchSession

PLUGIN_API = 1
KIND = "tensor"
OPTIONS = TorchOptions


@hookimpl
def probe_environment(environment: Environment, deep: bool) -> BackendReport:
    """Which torch is here, what it could use, and what is wrong with it."""
    torch = installed()
    if isinstance(torch, Reason):
        return BackendReport(runtime="torch", problems=(torch,))
    facts = {"torch": torch.version}
    facts |= {"torch.cuda": torch.cuda} if torch.cuda else {}
    facts |= {"torch.hip": torch.hip} if torch.hip else {}
    problems: list[Reason] = []
    if environment.gpus and not (torch.cuda or torch.hip):
        problems.append(
            wrong_build(
                environment,
                f"this machine has {environment.gpus[0].name}, but torch {torch.version} is a build "
                "without CUDA and runs on the CPU only",
            )
        )
    devices = torch.devices(environment)
    if deep:
        from inference_torch.deep_probe import device_problems

        problems += device_problems(devices)
    version = f"{torch.version}+{torch.build}" if torch.build else torch.version
    return BackendReport("torch", version, devices, facts, tuple(problems))


@hookimpl
def can_load(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """See `judgement`: its scans are imported for the first model, not for a list of backends."""
    from inference_torch.judgement import judge

    return judge(artifact, environment, request)


@hookimpl
def load(artifact: Artifact, environment: Environment, request: Request) -> TorchSession:
    """See `loading`."""
    from inference_torch.loading import load_session

    return load_session(artifact, environment, request)


@hookimpl
def predict(session: TorchSession, inputs: Any, options: Mapping[str, Any]) -> Any:
    """Run one session on arrays by input name."""
    return session.predict(inputs)
