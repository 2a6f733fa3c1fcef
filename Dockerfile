FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/ocpi-hub
WORKDIR /src
# The dependencies first: this layer stays while only the hub's own code changes.
COPY requirements/run.lock requirements/run.lock
RUN /opt/ocpi-hub/bin/python -m pip install --only-binary :all: --require-hashes \
      -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY ocpi_hub ocpi_hub
RUN /opt/ocpi-hub/bin/python -m pip install --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/ocpi-hub --shell /usr/sbin/nologin \
      ocpi-hub && chmod 0700 /var/lib/ocpi-hub
COPY --from=build /opt/ocpi-hub /opt/ocpi-hub
COPY config/default.toml /usr/share/doc/ocpi-hub/default.toml
ENV PATH=/opt/ocpi-hub/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OCPI_HUB_DATA_DIR=/var/lib/ocpi-hub
USER ocpi-hub
WORKDIR /var/lib/ocpi-hub
# The embedded PostgreSQL (used when OCPI_HUB_DATABASE_URL is not set) and the generated secret key.
VOLUME /var/lib/ocpi-hub
EXPOSE 8080
STOPSIGNAL SIGTERM
# The first start creates a database cluster. A port and TLS are set with OCPI_HUB_PORT and the like, or in
# the file of OCPI_HUB_CONFIG: `ready` reads the same.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["ocpi-hub", "ready"]
ENTRYPOINT ["ocpi-hub"]
CMD ["serve", "--host", "0.0.0.0"]
