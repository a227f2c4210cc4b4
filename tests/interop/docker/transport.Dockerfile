# A client of transport-interop. Build it in the repository's root:
#   docker build -f tests/interop/docker/transport.Dockerfile -t p2pstack-transport-interop .
FROM python:3.11-slim
COPY . /src
RUN pip install --no-cache-dir '/src[uvloop]' && rm -rf /src
ENTRYPOINT ["p2pstack-transport-interop"]
