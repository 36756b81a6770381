"""The reference for authors is complete: what it has to explain is read from the code.

The reference parts of a page hold nothing but items of one sentence: a bullet `- name: sentence`, or
a row of a table. So each sentence belongs to a name that the code or this file demands, and whoever
removes one, or adds a hook, an argument, an attribute or a code, makes a test fail. Explanations that
need more room are on the other pages.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inference_core import (
    environment,
    errors,
    hookspecs,
    install_command,
    machine,
    package,
    processor,
    readers,
    session,
    verdict,
)
from inference_core.hookspecs import HOOKS
from inference_core.readers import formats
from inference_core.testing import BackendConformance, Sample
from inference_core.testing.answer_checks import AnswerChecks
from inference_core.testing.declaration_checks import DeclarationChecks
from inference_core.testing.import_checks import ImportChecks
from inference_core.testing.kit import Kit
from inference_core.testing.lifetime_checks import LifetimeChecks
from inference_core.testing.option_checks import OptionChecks
from inference_core.testing.packaging_checks import PackagingChecks
from inference_core.testing.verdict_checks import VerdictChecks
from inference_core.verdict import CODES

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core" / "src" / "inference_core"
AUTHORS = ROOT / "docs" / "authors"

BULLET = re.compile(r"- (?P<name>`[^`]+`|[a-z]+): (?P<sentence>.*)", re.DOTALL)
# The least that says anything: "What the graph calls it."
FEWEST_WORDS = 4


def attributes(cls: type) -> set[str]:
    """The public fields, properties and methods of a class, methods with their arguments."""
    names = {*vars(cls), *getattr(cls, "__annotations__", ())}
    return {_with_arguments(cls, name) for name in names if not name.startswith("_")}


def _with_arguments(cls: type, name: str) -> str:
    value = inspect.getattr_static(cls, name, None)
    if isinstance(value, classmethod):
        value = value.__func__
    if not inspect.isfunction(value):
        return f"`{name}`"
    arguments = [
        each for each in inspect.signature(value).parameters if each not in ("self", "cls")
    ]
    return f"`{name}({', '.join(arguments)})`"


def called(function: Callable[..., object]) -> str:
    """How a function is called: its name with its arguments, without their types."""
    parameters = inspect.signature(function).parameters.values()
    bare = [each.replace(annotation=each.empty) for each in parameters]
    return f"`{function.__name__}{inspect.Signature(bare)}`"


def module_attributes() -> set[str]:
    """The attributes in capitals that core looks up on a plugin's module."""
    source = (CORE / "backend.py").read_text("utf-8")
    return {f"`{name}`" for name in re.findall(r'getattr\(\w+, "([A-Z_]+)"', source)}


def optional_session_attributes() -> set[str]:
    """What core looks up on a session beside the Protocol, with a default."""
    sources = [path.read_text("utf-8") for path in CORE.rglob("*.py")]
    found = (re.findall(r'getattr\([^"]*\bsession, "(\w+)"', source) for source in sources)
    return {f"`{name}`" for names in found for name in names}


def codes_of(folder: Path) -> set[str]:
    """The codes of the reasons that are made in a folder's source."""
    trees = (ast.parse(path.read_text("utf-8")) for path in folder.rglob("*.py"))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "Reason"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def facts_of_readers() -> set[str]:
    """The keys of the facts that core's readers give: those of every format, and a format's own."""
    nodes = [
        node
        for path in (CORE / "readers").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    ]
    keys = [key for node in nodes if isinstance(node, ast.Dict) for key in node.keys]
    keys += [node.slice for node in nodes if isinstance(node, ast.Subscript)]
    names = {key.value for key in keys if isinstance(key, ast.Constant)}
    fact = re.compile(r"[a-z]+\.[a-z_]+|inputs|outputs|metadata|task|members")
    return {f"`{name}`" for name in names if isinstance(name, str) and fact.fullmatch(name)}


def formats_of_readers() -> set[str]:
    return {f"`{name}`" for name in (*formats.READERS, *readers._SUFFIX_ONLY, "transformers")}


def hook(name: str) -> set[str]:
    arguments = inspect.signature(getattr(hookspecs, name)).parameters
    return {"when", *(f"`{each}`" for each in arguments), "returns", "must", "mistakes"}


def described(cls: type) -> set[str]:
    return {"is", *attributes(cls)}


def checks(cls: type) -> set[str]:
    """The tests of one class of the conformance kit."""
    return {f"`{name}`" for name in vars(cls) if name.startswith("test_")}


CLASSES = (
    package.Artifact, package.Request, environment.Environment, environment.Cpu, environment.Gpu,
    session.Session, session.TensorSpec, verdict.Verdict, verdict.BackendReport, verdict.Reason,
)  # fmt: skip
ERRORS = {
    f"`{name}`"
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.InferenceError)
}

# What each reference has to say: the names of the items by the heading they stand under.
HOOKS_PAGE: dict[str, set[str]] = {
    "The entry point": {"group", "name", "value", "imports"},
    "Module attributes": module_attributes(),
    "Options": {"classes", "types", "names", "text", "lists", "ranges", "mistakes"},
    "Devices": {"form", "known", "spelling", "index", "rank", "native", "unsure", "without"},
    "Precision": {"unasked", "asked", "lower"},
    "Helpers": {called(install_command), f"`machine.{called(machine.current)[1:]}"},
    "Hooks": {"mark", "arguments", "defaults", "unknown"},
    **{name: hook(name) for name in HOOKS},
    "Classes": {"kind", "import"},
    **{cls.__name__: described(cls) for cls in CLASSES},
    "Reason codes": {"added", "prefer", *(f"`{code}`" for code in CODES)},
    "Errors": {"raise", "import", *ERRORS},
}
HOOKS_PAGE["Session"] |= optional_session_attributes()
HOOKS_PAGE["can_load"] |= {"checked"}
CHOOSING_PAGE: dict[str, set[str]] = {
    "Reason codes": {
        *(name for name in attributes(verdict.Reason)),
        *(f"`{code}`" for code in CODES),
    }
}
PROCESSORS_PAGE: dict[str, set[str]] = {
    "The class": {
        *attributes(processor.Processor),
        *attributes(processor.MultiPartProcessor),
        "`__init__(package, parts)`",
        "`TASK`",  # optional, so that the Protocol leaves it out
        "`encode(value, options, parts)`",
        "threads", "batches", "errors", "results", "imports",
    },
    **{
        cls.__name__: described(cls)
        for cls in (
            processor.Recognition, processor.Graph, package.ModelPackage, package.ProcessorSpec
        )
    },
}  # fmt: skip
READERS_PAGE: dict[str, set[str]] = {
    "What core asks of a reader": {
        "called", "answer", "damage", "reads", "facts", "mistakes", "conflict", "order"
    },
    "What the readers of core tell": facts_of_readers(),
    "What the readers of core have checked": formats_of_readers(),
    "What core asks of a source": {"called", "answer", "missing", "mistakes", "environment"},
}  # fmt: skip
KIT_PAGE: dict[str, set[str]] = {
    "What you supply": {
        *(f"`{name}`" for name in Kit.__annotations__ if not name.startswith("_")),
        "`make_sample(folder)`",
    },
    "Sample": described(Sample),
    "Packaging": checks(PackagingChecks),
    "Imports and probes": checks(ImportChecks),
    "Verdicts": checks(VerdictChecks),
    "Declarations": checks(DeclarationChecks),
    "Answers": checks(AnswerChecks),
    "Options": checks(OptionChecks),
    "Lifetime": checks(LifetimeChecks),
}
WRAPPERS_PAGE: dict[str, set[str]] = {
    "What a wrapper sees": {
        "hooks", "load", "predict", "stream", "order", "imports", "mistakes", "unusable"
    },
}  # fmt: skip
PAGES = {
    AUTHORS / "conformance-kit.md": KIT_PAGE,
    AUTHORS / "hooks.md": HOOKS_PAGE,
    AUTHORS / "processors.md": PROCESSORS_PAGE,
    AUTHORS / "readers-and-sources.md": READERS_PAGE,
    AUTHORS / "wrappers.md": WRAPPERS_PAGE,
    ROOT / "docs" / "choosing-a-backend.md": CHOOSING_PAGE,
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each heading with the blocks under it: bullets, rows of tables, paragraphs."""
    for part in re.split(r"^##+ ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        blocks = re.split(r"\n(?=- |\|)|\n\n+", body.strip("\n"))
        yield heading, [" ".join(block.split()) for block in blocks if block.strip()]


def problems(text: str, wanted: dict[str, set[str]]) -> list[str]:
    """What a reference lacks, and what in it no item accounts for."""
    found = []
    seen: dict[str, list[str]] = {}
    for heading, blocks in sections(text):
        if heading not in wanted:
            continue
        names = seen.setdefault(heading, [])
        for block in blocks:
            name, mistake = read_row(block) if block.startswith("|") else read_bullet(block)
            names += [name] if name else []
            found += [f"{heading}: {mistake}: {block}"] if mistake else []
    for heading, names in wanted.items():
        have = seen.get(heading, [])
        found += [f"{heading}: {name} is missing" for name in names - set(have)]
        found += [f"{heading}: {name} is unknown" for name in set(have) - names]
        found += [f"{heading}: {name} is there twice" for name in have if have.count(name) > 1]
    return found


def read_bullet(block: str) -> tuple[str, str]:
    """The name of an item and what is wrong with it, either of them "" if there is none."""
    match = BULLET.fullmatch(block)
    if not match:
        return "", "neither a bullet nor a row of a table"
    return match["name"], sentence_problem(match["sentence"], closed=True)


def read_row(block: str) -> tuple[str, str]:
    name, *cells = (cell.strip() for cell in block.strip("|").split("|"))
    if not name.startswith("`"):
        return "", ""  # the head of the table and the line below it
    mistakes = (sentence_problem(cell, closed=False) for cell in cells if cell != "never")
    return name, next(filter(None, mistakes), "")


def sentence_problem(sentence: str, closed: bool) -> str:
    """Why this is no single sentence. Those in tables have no full stop."""
    if len(sentence.split()) < FEWEST_WORDS:
        return "this says too little"
    if closed != sentence.endswith("."):
        return "an item ends with a full stop, a cell without"
    if re.search(r"[.!?]\s+[A-Z`]", sentence):
        return "one item is one sentence"
    return ""


@each_page
def test_the_reference_explains_everything_and_nothing_else(page):
    assert problems(page.read_text("utf-8"), PAGES[page]) == []


def removals(text: str, wanted: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Each heading, bullet, row and cell of the reference, and the page without it."""
    heading = ""
    for unit in re.finditer(
        r"^(?:##+ (?P<heading>.+)|- .+(?:\n  .+)*|\| `.+)\n", text, re.MULTILINE
    ):
        heading = unit["heading"] or heading
        if heading not in wanted:
            continue
        yield unit[0], text[: unit.start()] + text[unit.end() :]
        if unit[0].startswith("|"):
            for cell in re.finditer(r"(?<=\| )[^|]+(?= \|)", unit[0]):
                begin, end = unit.start() + cell.start(), unit.start() + cell.end()
                yield cell[0], text[:begin] + text[end:]


@each_page
def test_removing_any_sentence_of_the_reference_is_noticed(page):
    text = page.read_text("utf-8")
    sentences = list(removals(text, PAGES[page]))
    assert len(sentences) > sum(map(len, PAGES[page].values()))
    for sentence, without in sentences:
        assert problems(without, PAGES[page]), f"nobody would miss: {sentence}"


@each_page
@pytest.mark.parametrize(
    ("addition", "message"),
    [("And a sentence that no item accounts for.", "neither a bullet"),
     ("- `unheard_of`: What the code doesn't have at all.", "`unheard_of` is unknown"),
     ("- `format`: A first sentence. A second one that could go.", "one item is one sentence"),
     ("- `format`: Yes.", "says too little")],
)  # fmt: skip
def test_what_is_no_item_of_one_sentence_is_refused(page, addition, message):
    heading = next(iter(PAGES[page]))
    text = page.read_text("utf-8").replace(f"## {heading}\n", f"## {heading}\n\n{addition}\n")
    assert any(message in problem for problem in problems(text, PAGES[page]))


def test_whatever_is_added_to_the_code_has_to_be_explained():
    text = (AUTHORS / "hooks.md").read_text("utf-8")
    for heading in (*HOOKS, *(cls.__name__ for cls in CLASSES), "Reason codes", "Errors"):
        more = {**HOOKS_PAGE, heading: {*HOOKS_PAGE[heading], "`newcomer`"}}
        assert problems(text, more) == [f"{heading}: `newcomer` is missing"]


def test_every_check_of_the_kit_has_its_table():
    documented = {name.strip("`") for names in KIT_PAGE.values() for name in names}
    assert {name for name in dir(BackendConformance) if name.startswith("test_")} <= documented


def test_the_table_says_never_of_no_code_that_is_given():
    rows = re.findall(
        r"^\| `([^`]+)` \| (.+) \| (.+) \|$", (AUTHORS / "hooks.md").read_text(), re.M
    )
    core = codes_of(CORE)
    plugins = {code for each in ROOT.glob("plugins/*/src") for code in codes_of(each)}
    assert len(core) > 8
    assert {code for code, _, by_core in rows if by_core == "never"} & core == set()
    assert core <= {code for code, _, _ in rows}
    assert {code for code, by_backend, _ in rows if by_backend == "never"} & plugins == set()


# What these modules say, they say to the author of a plugin.
FOR_AUTHORS = (
    "backend.py", "discovery.py", "loaded_part.py", "model.py", "recognition.py", "readers/formats.py"
)  # fmt: skip
RAISED_OR_GIVEN = {
    "Reason", "PluginError", "InvalidModel", "TypeError", "error", "warn", "_mistake", "_returned"
}  # fmt: skip
FIXES = re.compile("INFERENCE_|unset|upgrade|mark it|reinstall|report it")


def template(node: ast.AST) -> str:
    """The text of a string or f-string, with … for what is filled in; "" for anything else."""
    if isinstance(node, ast.BinOp):
        return template(node.left) + (template(node.right) or "…")
    if isinstance(node, ast.JoinedStr):
        return "".join(template(value) or "…" for value in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def templates(path: Path) -> Iterator[str]:
    """All texts of a module that hold something to read."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        text = template(node)
        if len(text.replace("…", "").strip()) >= FEWEST_LETTERS:
            yield text


FEWEST_LETTERS = 8  # "… raised …: …"


def says(text: str, quoted: str) -> bool:
    """Whether a message in the code can read like a quoted one."""
    return bool(re.search(".*".join(map(re.escape, text.strip().split("…"))), quoted))


def quoted_messages() -> list[str]:
    """The first cells of the page's tables, where they are messages."""
    page = (AUTHORS / "when-things-go-wrong.md").read_text("utf-8")
    return re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)


def test_every_message_in_when_things_go_wrong_is_one_of_core():
    known = [text for path in CORE.rglob("*.py") for text in templates(path)]
    words = {word for text in known for word in re.findall(r"\w+", text)} | {*HOOKS}
    quoted = quoted_messages()
    assert len(quoted) > 60
    for message in quoted:
        assert any(says(text, message) for text in known), f"core never says: {message}"
        strange = set(re.findall(r"\w{3,}", message)) - words
        assert not strange, f"core has no such words: {strange} in {message}"


def test_every_message_for_authors_is_in_when_things_go_wrong():
    quoted = quoted_messages()
    for name in FOR_AUTHORS:
        for node in ast.walk(ast.parse((CORE / name).read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for text in map(template, node.args if called in RAISED_OR_GIVEN else ()):
                letters = len(text.replace("…", "").strip())
                if letters < FEWEST_LETTERS or FIXES.match(text) or " " not in text:
                    continue
                assert any(says(short(text), message) for message in quoted), f"{name}: {text}"


def short(text: str) -> str:
    """A message without what follows a semicolon, which the page may leave out."""
    return text.partition(";")[0]
