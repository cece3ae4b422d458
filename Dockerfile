# The demo: docker build -t glowflow . && docker run --rm -p 127.0.0.1:8000:8000 glowflow
# Of a model of one's own: docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/runs/mine:/model:ro" glowflow /model
FROM python:3.12-slim

WORKDIR /src
RUN pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir '.[demo,onnx]' 'scikit-image>=0.24' && rm -rf /src
# scikit-image finds faces, and the extra onnx makes pictures follow sliders faster; everything else works without them

RUN useradd --system --create-home visitor
USER visitor
WORKDIR /home/visitor
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
ENTRYPOINT ["glowflow", "demo", "--host", "0.0.0.0"]
CMD ["faces"]
