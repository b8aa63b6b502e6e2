"""The ingest of the release before history was a source."""

from pipeline.config import namespace

namespace.SOURCES = tuple(topic for topic in namespace.SOURCES if topic != namespace.HISTORY)

from pipeline.cli import main  # noqa: E402  # what it imports takes the sources from there

main(["ingest"])
