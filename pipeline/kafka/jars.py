"""Kafka's own jars and the Java that runs them: found, fetched once, and checked against pinned checksums."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pipeline.config.errors import UserError

KAFKA_VERSION = "4.3.1"
JAVA_AT_LEAST = 17
PINS = Path(__file__).with_name("jars.sha256")
POM = Path(__file__).with_name("pom.xml")

_NO_JAVA = f"install a Java runtime, version {JAVA_AT_LEAST} or later (on Debian: apt install openjdk-17-jre-headless)"
_NO_MAVEN = "install Maven (on Debian: apt install maven), or set KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs already"


@dataclass(frozen=True)
class Java:
    """A Java runtime that is new enough."""

    path: str
    version: str


@dataclass(frozen=True)
class Distribution:
    """Verified jars, and where the archive of their preloaded classes is or will be."""

    jars: tuple[Path, ...]
    class_archive: Path

    @property
    def class_path(self) -> str:
        """The jars one by one: with a wildcard the class archive would silently not be used."""
        return os.pathsep.join(map(str, self.jars))


def find_java(environment: Mapping[str, str] | None = None) -> Java:
    """Find `$JAVA_HOME/bin/java`, or `java` on the path. Raises UserError where there is none, or it is too old."""
    env = os.environ if environment is None else environment
    home = env.get("JAVA_HOME")
    path = shutil.which("java", path=str(Path(home, "bin")) if home else env.get("PATH", os.defpath))
    if path is None:
        where = f"in JAVA_HOME {home}" if home else "on the PATH"
        raise UserError(f"no Java {where}: {_NO_JAVA}")
    answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r'version "((\d+)[^"]*)"', answer)
    if version is None:
        raise UserError(f"{path} does not say its version: {_NO_JAVA}")
    if int(version[2]) < JAVA_AT_LEAST:
        raise UserError(f"{path} is Java {version[1]}, Kafka {KAFKA_VERSION} needs {JAVA_AT_LEAST}: {_NO_JAVA}")
    return Java(path, version[1])


def cache_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Where jars and class archives are kept: under `$PIPELINE_CACHE_DIR`, or the user's cache folder."""
    env = os.environ if environment is None else environment
    base = env.get("PIPELINE_CACHE_DIR") or platformdirs.user_cache_dir("live-customer-pipeline")
    return Path(base).absolute() / f"kafka-{KAFKA_VERSION}"


def fetch_jars(java: Java, cache: Path | None = None) -> Distribution:
    """Give the verified jars, downloading them first where they are missing. Several processes may do so at once.

    Raises UserError where Maven is missing or fails, or a jar is not the pinned one.
    """
    cache = cache_dir() if cache is None else cache
    folder = cache / "jars"
    if not _is_verified(cache):
        with _only_one(cache):
            if not _is_verified(cache):
                _download(folder)
                (cache / "verified").write_text(_pins_digest(), encoding="utf-8")
    jars = tuple(folder / name for name in _pins())
    build = hashlib.sha256(f"{java.version} {java.path} {folder} {_pins_digest()}".encode()).hexdigest()[:16]
    return Distribution(jars, cache / f"classes-{build}.jsa")


def verify(folder: Path) -> None:
    """Compare a folder of jars with the pinned checksums. Raises UserError at the first that differs."""
    pins = _pins()
    found = {jar.name for jar in folder.glob("*.jar")}
    for name in sorted(pins.keys() ^ found):
        raise UserError(f"{name} is {'missing from' if name in pins else 'not expected in'} Kafka's jars in {folder}")
    for name, pin in pins.items():
        with (folder / name).open("rb") as jar:
            if hashlib.file_digest(jar, "sha256").hexdigest() != pin:
                raise UserError(f"{name} is not the pinned file: its sha256 is not the one in {PINS.name}")


def _is_verified(cache: Path) -> bool:
    """Whether the jars were checked against these pins when they came, and are still there; not read again."""
    marker = cache / "verified"
    checked = marker.exists() and marker.read_text(encoding="utf-8") == _pins_digest()
    return checked and all((cache / "jars" / name).exists() for name in _pins())


@contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise UserError(f"no Maven on the PATH, which fetches Kafka: {_NO_MAVEN}")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch, "jars")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"]
        command = [maven, "--quiet", "--batch-mode", f"--file={POM}", *goal]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            said = re.search(r"\[ERROR\] (.+)", done.stdout + done.stderr)
            raise UserError(
                f"Maven could not fetch Kafka {KAFKA_VERSION}: {said[1] if said else 'it does not say why'}"
            )
        verify(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)


def _pins() -> dict[str, str]:
    lines = PINS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _pins_digest() -> str:
    return hashlib.sha256(PINS.read_bytes()).hexdigest()
