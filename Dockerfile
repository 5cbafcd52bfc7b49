# syntax=docker/dockerfile:1
# One image for every process: docker run … burgee party | party-ish | mr | dacha | edge | edge-rest | migrate
# Its health check asks whichever of them it was told to be.
#
# Everything is installed from the locks, by hash. What builds stays behind: the last stage has Python, what Burgee
# needs to run, and Burgee.

ARG PYTHON=3.11

FROM docker.io/library/python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src

# For `strip`: what wheels carry for debuggers is a fifth of everything.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends binutils > /dev/null \
    && rm -rf /var/lib/apt/lists/*

RUN python -m venv --without-pip /opt/burgee
COPY requirements.lock ./
# Nothing is compiled: wheels alone, but for nkeys, which is pure Python and published as source; the locked
# setuptools makes a wheel of it.
RUN sed -n '/^setuptools==/,/# via/p' requirements.lock > build.lock \
    && python -m pip --python /opt/burgee/bin/python install --quiet --require-hashes --no-deps --only-binary :all: \
        -r build.lock \
    && python -m pip --python /opt/burgee/bin/python install --quiet --require-hashes --no-deps --no-build-isolation \
        --only-binary :all: --no-binary nkeys -r requirements.lock

# The web interface is built here, with a Node that the image never sees again.
RUN python -m venv /opt/node
COPY requirements-node.lock ./
RUN /opt/node/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements-node.lock
ENV PATH=/opt/node/bin:$PATH
COPY mr/ui/package.json mr/ui/package-lock.json mr/ui/.npmrc mr/ui/
RUN npm ci --prefix mr/ui --loglevel=error
COPY pyproject.toml README.md LICENSE ./
COPY mr mr
RUN npm run --silent --prefix mr/ui build -- --logLevel warn

COPY burgee burgee
COPY common common
COPY dacha dacha
COPY edge edge
COPY edge_rest edge_rest
RUN python -m pip --python /opt/burgee/bin/python install --quiet --no-deps --no-build-isolation . \
    && python -m pip --python /opt/burgee/bin/python uninstall --quiet --yes setuptools \
    && find /opt/burgee -type d \( -name tests -o -name testing \) -prune -exec rm -rf {} + \
    && find /opt/burgee -type f -regex '.*\.\(c\|cc\|cpp\|h\|hpp\|pyx\|pxd\|pxi\)' -delete \
    && find /opt/burgee -type f -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
    && python -m compileall -q -j 0 -x 'pygments/|dialects/(mssql|mysql|oracle)/' /opt/burgee/lib

FROM docker.io/library/python:${PYTHON}-slim
ARG PYTHON
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Burgee" \
      org.opencontainers.image.description="A feature-flag platform: MR, Dacha2, Edge, Edge-REST, and all of them in one" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The Burgee authors" \
      org.opencontainers.image.base.name="docker.io/library/python:${PYTHON}-slim" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN python -m pip uninstall --quiet --yes --root-user-action ignore setuptools wheel pip \
    && install -d -o 65532 -g 65532 /var/lib/burgee
COPY --from=build /opt/burgee /opt/burgee
ENV PATH=/opt/burgee/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BURGEE_HOST=0.0.0.0 \
    BURGEE_DATA_DIR=/var/lib/burgee
USER 65532:65532
WORKDIR /var/lib/burgee
EXPOSE 8085 8553 8902 8086 8701
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["burgee", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["burgee"]
CMD ["party"]
