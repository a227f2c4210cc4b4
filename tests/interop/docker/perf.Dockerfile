# Client or server of the perf benchmarks, whose runner starts a program called perf:
#   docker build -f tests/interop/docker/perf.Dockerfile -t p2pstack-perf .
FROM python:3.11-slim
COPY . /src
RUN pip install --no-cache-dir '/src[uvloop]' && rm -rf /src \
    && ln -s "$(command -v p2pstack-perf)" /usr/local/bin/perf
ENTRYPOINT ["perf"]
