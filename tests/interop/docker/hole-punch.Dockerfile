# A client of hole-punch-interop, whose runner brings the script that sets the routes and starts hole-punch-client:
#   docker build -f tests/interop/docker/hole-punch.Dockerfile -t p2pstack-hole-punch-interop .
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl dnsutils iproute2 jq tcpdump \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir '/src[uvloop]' && rm -rf /src
CMD ["hole-punch-client"]
