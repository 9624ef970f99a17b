"""transformers' own common model, config and processor tests, run against our classes; every skip is accounted for.

They run in a process of their own (`helpers/transformers_common/suite.py`), because they seed, patch and switch off
what they like.
"""

import ast
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from xml.etree import ElementTree

import pytest

from helpers import REPOSITORY
from helpers.transformers_common import sources as transformers_sources
from helpers.transformers_common.sources import SourcesUnavailableError, sources
from helpers.transformers_common.tables import ADDED, AT_LEAST, CHANGED, SKIPPED, TABLES_OF

SUITE = REPOSITORY / "tests" / "helpers" / "transformers_common" / "suite.py"


@dataclass
class Outcome:
    """What became of one test: "passed", "failed" or "skipped", and why."""

    test_class: str
    name: str
    kind: str
    message: str


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[Outcome]:
    """Run the suite once; every test of it."""
    try:
        sources()
    except SourcesUnavailableError as error:
        pytest.skip(str(error))
    report = tmp_path_factory.mktemp("suite") / "report.xml"
    flags = "-q -p no:cacheprovider --disable-socket --allow-unix-socket --allow-hosts=127.0.0.1,::1 --timeout 300"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", "addopts=", *flags.split(), f"--junitxml={report}"] + [str(SUITE)],
        cwd=REPOSITORY,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith(("RUN_", "PYTEST_"))},
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",  # layers as small as these only wait for a second thread
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        timeout=550,
    )
    if done.returncode not in (0, 1):  # 1: some tests failed
        pytest.fail(f"the suite did not run:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return [outcome_of(case) for case in ElementTree.parse(report).iter("testcase")]


def outcome_of(case: ElementTree.Element) -> Outcome:
    """Read one test from pytest's report."""
    kind, message = "passed", ""
    for tag, meaning in (("skipped", "skipped"), ("failure", "failed"), ("error", "failed")):
        if (found := case.find(tag)) is not None:
            kind, message = meaning, found.get("message") or ""
    return Outcome(case.get("classname", "").split(".")[-1], case.get("name", ""), kind, message)


def same_version() -> None:
    """The tables say nothing about the tests of another version."""
    if version("transformers") != TABLES_OF:
        pytest.skip(f"the tables are of transformers {TABLES_OF}, installed is {version('transformers')}")


@pytest.mark.slow
def test_common_tests_of_transformers_run_against_our_classes_pass(outcomes):
    failed = [f"{o.test_class}.{o.name}: {o.message[:500]}" for o in outcomes if o.kind == "failed"]
    assert not failed, "\n\n".join(failed)
    passed = Counter(outcome.test_class for outcome in outcomes if outcome.kind == "passed")
    too_few = {name: passed[name] for name, least in AT_LEAST.items() if passed[name] < least}
    assert not too_few
    assert "test_config" in {outcome.name for outcome in outcomes if outcome.kind == "passed"}


@pytest.mark.slow
def test_skipped_common_test_stands_in_the_table_with_its_reason(outcomes):
    same_version()
    unaccounted = {
        f"{outcome.test_class}.{outcome.name}: {outcome.message}"
        for outcome in outcomes
        if outcome.kind == "skipped"
        and not any(fnmatch(outcome.name, pattern) for pattern in SKIPPED.get(outcome.test_class, {}))
    }
    assert not unaccounted, "\n".join(sorted(unaccounted))


@pytest.mark.slow
def test_table_names_only_common_tests_that_exist_and_are_skipped(outcomes):
    same_version()
    wrong = []
    for test_class, table in SKIPPED.items():
        tests = [outcome for outcome in outcomes if outcome.test_class == test_class]
        for pattern in table:
            found = [outcome for outcome in tests if fnmatch(outcome.name, pattern)]
            if not found:
                wrong.append(f"{test_class}.{pattern}: no such test")
            wrong += [f"{test_class}.{test.name}: {test.kind}" for test in found if test.kind != "skipped"]
    assert not wrong, "\n".join(wrong)


def test_changed_common_tests_are_those_of_the_table():
    tree = ast.parse(SUITE.read_text(encoding="utf-8"))
    defined = [
        node.name
        for test_class in tree.body
        if isinstance(test_class, ast.ClassDef)
        for node in test_class.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert sorted(defined) == sorted({*CHANGED, *ADDED})


def test_sources_without_an_index_are_an_error_that_says_so_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(transformers_sources, "FOLDER", tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(SourcesUnavailableError, match="could not download the sources of transformers"):
        sources()
    assert not list(tmp_path.iterdir())
