"""The containers of deploy/: their own linters pass them, and what they copy and start is there. Nothing is built."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from helpers import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
LINES = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
POD = KUBERNETES[0]["spec"]["template"]["spec"]


def words_of(instruction: str) -> list[list[str]]:
    return [line.split()[1:] for line in LINES if line.startswith(f"{instruction} ")]


def tool(name: str) -> Path:
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return path


def test_hadolint_passes_the_dockerfile() -> None:
    done = subprocess.run([tool("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_what_is_there_and_every_package_of_the_wheel() -> None:
    copied = [source for *sources, _ in words_of("COPY") for source in sources if not source.startswith("--from")]
    copied = [source for source in copied if not source.startswith("/opt")]
    assert [source for source in copied if not (REPOSITORY / source).exists()] == []
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    tops = {name.split(".")[1] for name in project["tool"]["setuptools"]["packages"] if "." in name}
    assert tops <= set(copied)
    extras = re.search(r"'\.\[([\w,]+)\]'", "\n".join(LINES))
    assert extras and set(extras[1].split(",")) <= set(project["project"]["optional-dependencies"])


def test_nobody_is_root_and_health_is_asked_for() -> None:
    (user,) = words_of("USER")
    assert int(user[0]) > 0 and "HEALTHCHECK" in {line.split(" ")[0] for line in LINES}
    assert POD["securityContext"]["runAsUser"] == int(user[0])
    service = POD["containers"][0]
    assert service["securityContext"]["readOnlyRootFilesystem"] and service["readinessProbe"]


def test_compose_is_what_compose_reads() -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    specification = compose_spec.ComposeSpecification.model_validate(COMPOSE)
    assert set(specification.services) == {"service", "door", "page"}
    for name in ("service", "page"):
        guarded = COMPOSE["services"][name]
        assert guarded["read_only"] and guarded["cap_drop"] == ["ALL"]


def test_kubernetes_takes_its_file() -> None:
    done = subprocess.run(
        [tool("kubernetes-validate"), "--strict", DEPLOY / "kubernetes.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    selector = KUBERNETES[0]["spec"]["selector"]["matchLabels"]
    assert KUBERNETES[1]["spec"]["selector"] == selector == KUBERNETES[3]["spec"]["podSelector"]["matchLabels"]


@pytest.mark.parametrize("words", [COMPOSE["services"]["service"]["command"], POD["containers"][0]["args"]])
def test_the_service_is_started_with_flags_that_it_has(words: list[str]) -> None:
    from emofusion.commands.serve.verb import make_parser

    assert words[:2] == ["emofusion", "serve"]
    args = make_parser().parse_args(words[2:])
    assert (REPOSITORY / args.model).is_dir() and args.host == "0.0.0.0"
    # Whoever stops it waits until what is inside has been answered.
    assert int(COMPOSE["services"]["service"]["stop_grace_period"][:-1]) > args.answer_seconds
    assert POD["terminationGracePeriodSeconds"] > args.answer_seconds
