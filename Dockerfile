# The image of animate-bot: the bot, what requirements.lock names, and nothing that builds or installs.
# With `--build-arg REQUIREMENTS=requirements-sentry.lock` it has the extra `sentry` as well.
#
# The tag below follows Python's and Debian's security updates. For a build that never changes, pin it by digest: find it
# with `docker buildx imagetools inspect python:3.13-slim-trixie`, and write PYTHON=python:3.13-slim-trixie@sha256:…
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
ARG REQUIREMENTS=requirements.lock
WORKDIR /app
COPY requirements*.lock ./
# Every package comes built, so that nothing is compiled here. The environment is moved to the image without pip.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install \
    --no-cache-dir --no-compile --only-binary :all: --require-hashes -r "${REQUIREMENTS}" \
    && rm requirements*.lock
COPY bot ./bot
COPY cogs ./cogs
# The root of a container can be read-only, so the bytecode is written now; it is never held against the dates of files.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib /app

FROM ${PYTHON}
# The uid is fixed, so that a mounted folder can be given to it. A named volume takes its owner from the image.
RUN groupadd --gid 10001 animate \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin animate \
    && install --directory --owner animate --group animate --mode 0700 /data
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app ./

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/animate.db \
    DATA_DIR=/data \
    HTTP_PORT=8080
VOLUME /data
USER 10001:10001

# `/healthz` at HTTP_PORT, inside of the container. It tells that the process lives: a provider that is down is nothing
# that a restart would help with.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "bot", "healthy"]

# A paid request under way is waited for up to 60 s: `docker stop -t 75`.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "bot"]

ARG VERSION=0.2.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="animate-bot" \
    org.opencontainers.image.description="A self-hosted Discord bot that turns a picture into a video" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}"
