FROM python:3.11.17-slim-bookworm

ENV PYTHONUNBUFFERED=1

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

# The uid is fixed, so that a mounted folder can be given to it. A named volume takes its owner from the image.
RUN groupadd --gid 10001 animate \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin animate \
    && mkdir /data \
    && chown animate:animate /data

COPY bot ./bot
COPY cogs ./cogs

ENV DATABASE_URL=sqlite:////data/animate.db \
    DATA_DIR=/data
VOLUME /data
USER 10001:10001

# A paid request under way is waited for up to 60 s: `docker stop -t 75`.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "bot"]
