# The production image: Python, the locked dependencies and the operator; no sandbox, no root.
#
#   docker build --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" --output type=image,rewrite-timestamp=true .

# python:3.13-slim-trixie (Python 3.13.14), all platforms. The tag is for people, the digest decides.
# https://github.com/docker-library/repo-info/blob/2986dca3a80cb11b70fc4599941096374ea9e509/repos/python/remote/3.13-slim-trixie.md
ARG PYTHON=python:3.13-slim-trixie@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6

FROM ${PYTHON} AS build
ARG SOURCE_DATE_EPOCH=1577836800
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY image image
COPY operator/neon_tenants operator/neon_tenants
RUN image/install.sh /app

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG PYTHON
LABEL org.opencontainers.image.title="neon-tenant-operator" \
      org.opencontainers.image.description="One Neon Postgres project per tenant, held to its pricing tier, from Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON}" \
      io.neontenants.sbom="/app/sbom.cdx.json"
COPY --from=build /app /app
# The user, this or another that a cluster chooses, has no entry in /etc/passwd: the Kubernetes client asks for a home
# when it is imported, and Kopf for a name when it starts.
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/app HOME=/tmp USER=neon-tenant-operator \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["neon-tenant-operator"]
CMD ["run"]
