# One image for every process: `docker build -t live-customer-pipeline .`, then for example
# `docker run --rm -e KAFKA_BOOTSTRAP_SERVERS=kafka:9092 live-customer-pipeline status`.
# It holds no Java: Kafka is elsewhere. It runs with a read-only root; only /var/lib/pipeline and /tmp are written to.

# What folds events is compiled here, which takes a C compiler and the types of what it uses.
FROM python:3.11.14-bookworm AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv tools && python -m venv --without-pip /opt/pipeline
COPY requirements-build.lock requirements-runtime.lock ./
RUN tools/bin/pip install --only-binary=:all: --require-hashes -r requirements-build.lock -r requirements-runtime.lock \
 && tools/bin/pip --python /opt/pipeline install --only-binary=:all: --require-hashes -r requirements-runtime.lock
COPY pyproject.toml mypyc.ini README.md LICENSE ./
COPY pipeline pipeline
RUN HATCH_BUILD_HOOK_ENABLE_MYPYC=true tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && tools/bin/pip --python /opt/pipeline install --no-deps --no-index dist/*.whl

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="live-customer-pipeline" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/pipeline /opt/pipeline
# A volume made here belongs to the user; the state in it is a cache and may be deleted.
RUN install -d -o 10001 -g 10001 /var/lib/pipeline
ENV PATH=/opt/pipeline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIPELINE_METRICS_HOST=0.0.0.0 \
    PIPELINE_WORKER_DATA_DIR=/var/lib/pipeline
USER 10001:10001
WORKDIR /var/lib/pipeline
# Whoever runs it asks /healthz and /readyz: each process has a port of its own.
ENTRYPOINT ["pipeline"]
CMD ["--help"]
