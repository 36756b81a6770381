"""Judges one artifact for the torch backend: every reason against it, or the device it would use.

Reads the archive's structure and the installed torch's text files. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from inference_core.environment import Environment
from inference_core.install import install_command
from inference_core.package import Artifact, Request
from inference_core.verdict import Reason, Verdict

from inference_torch.archive_scan import scan_archive, scan_saved
from inference_torch.findings import Finding
from inference_torch.install_state import OLDEST, InstalledTorch, installed, wrong_build
from inference_torch.options import TorchOptions

FORMATS = ("torch-export", "torchscript", "torch-checkpoint")
ALLOW_CODE = "allow_code=True"
_SHOWN_FINDINGS = 3


def judge(artifact: Artifact, environment: Environment, request: Request) -> Verdict:
    """The verdict on `artifact`: all reasons, not only the first."""
    if artifact.format not in FORMATS:
        return Verdict.reject(
            Reason("format", f"torch runs {', '.join(FORMATS)}, not {artifact.format}")
        )
    torch = installed()
    reasons = list(_model_reasons(artifact, request))
    if isinstance(torch, Reason):
        reasons.insert(0, torch)
        if request.device:
            problem = _unknown_device(request.device) or environment.device_problem(request.device)
            reasons += [problem] if problem else []
        return Verdict("broken" if torch.code == "broken-install" else "reject", tuple(reasons))
    devices = torch.devices(environment)
    device = _full_name(request.device) if request.device else devices[0]
    reasons += _version_reasons(artifact, torch)
    reasons += _device_reasons(artifact, torch, environment, device, devices)
    return Verdict.reject(*reasons) if reasons else Verdict.accept(device)


def _full_name(device: str) -> str:
    return "cuda:0" if device == "cuda" else device


def _model_reasons(artifact: Artifact, request: Request) -> Iterator[Reason]:
    """What the artifact and the request say by themselves, whatever is installed."""
    wanted, stored = request.precision, artifact.precision
    if wanted and wanted != stored and "int8" in (wanted, stored):
        yield Reason(
            "precision",
            f"torch can't turn {stored or 'this model'} into {wanted}: quantise before exporting",
            f'precision="{stored}"' if stored else None,
        )
    options = request.options if isinstance(request.options, TorchOptions) else TorchOptions()
    if options.compile and artifact.format == "torchscript":
        yield Reason(
            "option", "torch.compile doesn't take TorchScript", 'options={"compile": False}'
        )
    yield from _trust_reasons(artifact, request)


def _trust_reasons(artifact: Artifact, request: Request) -> Iterator[Reason]:
    for path in artifact.parts.values():
        if artifact.format == "torch-checkpoint" and _is_only_weights(path):
            yield Reason(
                "format",
                f"{path.name} holds weights alone, not the program that uses them: "
                "export the model with torch.export.save",
            )
        elif not request.allow_code and (what := _code_in(artifact.format, path)):
            yield Reason("trust", f"{path.name} {what}", ALLOW_CODE)


def _code_in(format_name: str, path: Path) -> str | None:
    """What in the file at `path` would run as code, as the rest of a sentence; None if nothing does."""
    if format_name == "torchscript":
        return "is TorchScript, which is a program that may do anything when it runs"
    if format_name == "torch-checkpoint":
        return "is a pickled model: unpickling runs whatever code it names"
    try:
        with open(path, "rb") as file:
            findings = scan_archive(file)
    except OSError as error:
        return f"can't be checked for code: {error.strerror or error}"
    return described(findings) if findings else None


def described(findings: list[Finding]) -> str:
    """Findings as the rest of a sentence that begins with the file's name."""
    shown = "; ".join(map(str, findings[:_SHOWN_FINDINGS]))
    rest = (
        f"; and {len(findings) - _SHOWN_FINDINGS} more" if len(findings) > _SHOWN_FINDINGS else ""
    )
    return f"holds what could run code: {shown}{rest}"


def _is_only_weights(path: Path) -> bool:
    """Whether a checkpoint holds nothing but tensors and containers of them.

    The pickle format before torch 1.6 isn't looked into: it counts as a pickled model.
    """
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\3\4" and not scan_saved(file)
    except OSError:
        return False  # reported when it is checked for code, or loaded


def _version_reasons(artifact: Artifact, torch: InstalledTorch) -> Iterator[Reason]:
    if torch.release[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Reason(
            "requirement",
            f"torch {torch.version} is older than {oldest}",
            install_command(f"torch>={oldest}"),
        )
    if artifact.format != "torch-export":
        return
    facts = next(iter(artifact.facts.values()), {})
    writer = f"torch {facts['torch.version']}" if "torch.version" in facts else "another torch"
    schema = re.match(r"\d+", str(facts.get("torch.schema_version", "")))
    if schema and torch.schema is not None and int(schema.group()) != torch.schema:
        yield Reason(
            "requirement",
            f"{artifact} was exported by {writer} with schema {schema.group()}; "
            f"torch {torch.version} reads schema {torch.schema}: export it again, or run that torch",
        )
    elif facts.get("torch.layout") == "pt2" and torch.release[:2] < (2, 8):
        yield Reason(
            "requirement",
            f"{artifact} was exported by {writer}; torch {torch.version} can't read that layout",
            install_command("torch>=2.8"),
        )


def _unknown_device(device: str) -> Reason | None:
    kind = device.partition(":")[0]
    if kind in ("cpu", "cuda", "mps") and not re.fullmatch(r"(cpu|mps):[1-9]\d*", device):
        return None
    message = f"torch runs on cpu, cuda and mps here, not {device}"
    return Reason("device", message, 'device="cpu"')


def _device_reasons(
    artifact: Artifact,
    torch: InstalledTorch,
    environment: Environment,
    device: str,
    devices: tuple[str, ...],
) -> Iterator[Reason]:
    if unknown := _unknown_device(device):
        yield unknown
        return
    kind = device.partition(":")[0]
    # A ROCm build calls its GPUs cuda too, and nothing short of torch itself can list them.
    if kind == "cuda" and not torch.hip and device not in devices:
        if problem := environment.device_problem(device):
            yield problem
        if torch.cuda is None:
            what = f"{device} was asked for, but torch {torch.version} is a build without CUDA"
            if environment.gpus:
                yield wrong_build(environment, what)
            else:
                yield Reason("device", what, 'device="cpu"')
    elif kind == "mps" and (problem := environment.device_problem(device)):
        yield problem
    facts = next(iter(artifact.facts.values()), {})
    if "cuda" in facts.get("torch.devices", ()) and not (torch.hip or "cuda:0" in devices):
        yield Reason(
            "device",
            f"{artifact} was exported on a GPU, and torch loads such an archive only where "
            "there is one: export it on the CPU",
        )
