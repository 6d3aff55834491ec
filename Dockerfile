# The server with the bundled model. Build: docker build -t ablate .    Run: deploy/README.md
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1
# The set-up in a layer of its own: it is done again only where a version changes.
COPY run ./
COPY tools/run tools/run
COPY tools/deps tools/deps
RUN ./run setup
COPY . .
# Compile jobs; default: one a core, as far as memory allows.
ARG ABLATE_JOBS=
RUN ./run build ablate ablated && deploy/collect-runtime /opt/ablate

FROM ${BASE}
RUN apt-get update -qq -o Acquire::Retries=3 \
    && apt-get install -y -qq --no-install-recommends -o Acquire::Retries=3 \
      ca-certificates libabsl20220623 libgrpc++1.51 libprotobuf32 libspdlog1.10 libsqlite3-0 libssl3 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ablate \
    && install -d -o 10001 -g 10001 /var/lib/ablate/means /var/lib/ablate/jobs /var/lib/ablate/gpu-cache
COPY --from=build /opt/ablate /opt/ablate
# A missing library is an error of the build, not of the first start. And no GPU is needed to say so.
RUN /opt/ablate/bin/ablated --version && /opt/ablate/bin/ablate --version

# Options of `ablated` by their environment names; arguments after the image's name win over them. A container has no loopback
# that the outside could reach, so the server listens on all its addresses, in plain text where no TLS is asked for: who can
# reach it is decided where the port is published (deploy/README.md: on 127.0.0.1).
ENV PATH=/opt/ablate/bin:/usr/local/bin:/usr/bin:/bin \
    ABLATE_MODEL=/opt/ablate/models/demo \
    ABLATE_LISTEN=0.0.0.0:50051 \
    ABLATE_INSECURE=true \
    ABLATE_MEANS_DIR=/var/lib/ablate/means \
    ABLATE_JOBS_DIR=/var/lib/ablate/jobs \
    ABLATE_GPU_CACHE_DIR=/var/lib/ablate/gpu-cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /opt/ablate
USER 10001:10001
EXPOSE 50051
STOPSIGNAL SIGTERM
# NOT_SERVING until the warm-up pass has run; a large model may take a while.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["/opt/ablate/bin/ablate", "health", "--quiet", "--server", "127.0.0.1:50051"]
ENTRYPOINT ["/opt/ablate/bin/ablated"]
