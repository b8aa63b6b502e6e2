"""The image: small, pinned, run by nobody in particular."""

import re
import tomllib
from collections.abc import Iterator

from tests.deploy.known import ROOT, pinned, settings_variables

DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCKS = ("requirements-build.lock", "requirements-runtime.lock")


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", "".join(line for line in DOCKERFILE.splitlines(True) if not line.startswith("#")))
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        yield word, rest


def pins(lock: str) -> dict[str, tuple[str, set[str]]]:
    """The lines `name==version ; marker` of a lock file, each with its hashes."""
    found, requirement = {}, ""
    for line in (ROOT / lock).read_text().splitlines():
        if match := re.match(r"([a-z][a-z0-9._-]*==.*?)\s*\\$", line):
            requirement = match[1]
            found[requirement] = (requirement.partition("==")[0], set())
        elif hashed := re.match(r"\s+--hash=(\S+)", line):
            found[requirement][1].add(hashed[1])
    return found


def test_it_is_built_with_the_python_that_it_runs_with_and_keeps_no_compiler() -> None:
    build, image = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert pinned(build)
    assert image == build.replace("-bookworm", "-slim-bookworm")


def test_it_runs_as_a_user_with_a_number_which_kubernetes_can_see_is_not_root() -> None:
    user = [rest for word, rest in instructions() if word == "USER"][-1]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_the_variables_that_it_sets_are_settings() -> None:
    names = {name for word, rest in instructions() if word == "ENV" for name in re.findall(r"(\w+)=", rest)}
    ours = {name for name in names if name.startswith(("PIPELINE_", "KAFKA_", "REDIS_"))}
    assert ours
    assert ours <= settings_variables()


def test_it_installs_only_what_has_a_checksum_and_compiles_nothing_of_others() -> None:
    lines = [line for word, rest in instructions() if word == "RUN" for line in rest.split("&&")]
    from_outside = [line for line in lines if "pip" in line and " install " in line and "--no-index" not in line]
    assert len(from_outside) == len(LOCKS)
    assert all("--require-hashes" in line and "--only-binary=:all:" in line for line in from_outside)


def test_what_is_copied_gets_past_the_ignore_file() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)


def test_what_is_in_the_image_is_what_the_tests_run_with() -> None:
    everything = pins("requirements.lock")
    for lock in LOCKS:
        here = pins(lock)
        assert here
        assert all(everything.get(requirement) == pin for requirement, pin in here.items()), lock


def test_the_image_has_all_dependencies_and_nothing_of_the_demonstration_or_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = {name for name, _ in pins("requirements-runtime.lock").values()}

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=~!; ]", requirement)[0].lower() for requirement in requirements}

    assert names(project["project"]["dependencies"]) <= runtime
    assert not names(project["project"]["optional-dependencies"]["demo"]) & runtime
    groups = project["dependency-groups"]
    assert not names([one for group in groups.values() for one in group if isinstance(one, str)]) & runtime
