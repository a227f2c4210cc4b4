# A node of gossipsub-interop; a run adds --params FILE:
#   docker build -f tests/interop/docker/gossipsub.Dockerfile -t p2pstack-gossipsub-interop .
FROM python:3.11-slim
COPY . /src
RUN pip install --no-cache-dir '/src[uvloop]' && rm -rf /src
ENTRYPOINT ["p2pstack-gossipsub-interop"]
