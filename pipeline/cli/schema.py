"""`pipeline schema`: write the JSON Schemas, examples, AsyncAPI document and reference of the topics, or check them."""

from collections.abc import Mapping
from pathlib import Path

import click

from pipeline.cli.main import example
from pipeline.config.errors import UserError


@click.command(
    short_help="Write or check the schemas of all topics.",
    epilog=example("pipeline schema", "pipeline schema --check"),
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where a file differs from the types.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("schemas"),
    show_default=True,
    help="Where the files are.",
)
def schema(folder: Path, *, check: bool) -> None:
    """Write the JSON Schemas, the examples, the AsyncAPI document and the reference of events of all topics."""
    from pipeline.schemas.files import files

    made = files()
    if not check:
        _write(folder, made)
        click.echo(f"Wrote {len(made)} files to {folder}.")
        return
    if found := _differences(folder, made):
        for line in found:
            click.echo(f"{folder}/{line}")
        raise UserError(f"{len(found)} files in {folder} are not those of the types: run `pipeline schema`")
    click.echo(f"The files in {folder} are those of the types.")


def _write(folder: Path, made: Mapping[str, bytes]) -> None:
    try:
        for path, content in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from error


def _differences(folder: Path, made: Mapping[str, bytes]) -> list[str]:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in (".json", ".md")}
    found = [f"{path}: is missing" for path in sorted(made.keys() - there)]
    found += [f"{path}: differs" for path in sorted(made.keys() & there) if (folder / path).read_bytes() != made[path]]
    return found + [f"{path}: no type makes it, remove it" for path in sorted(there - made.keys())]
