# On a CPU: the page with the sample clip.
#   docker build -t neural-style-live .
#   docker run --rm -it --network host neural-style-live
# It prints an address with a token. The host's network carries the page's video (WebRTC) and is what the page checks
# requests against. A camera: --device /dev/video0 --group-add video, and "--source 0" at the end.
FROM python:3.13-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home stylist
COPY . /src
RUN pip install --no-cache-dir "/src[openvino,web]" && rm -rf /src
USER stylist
WORKDIR /home/stylist
ENTRYPOINT ["nsl-webcam", "--sink", "web", "--host", "0.0.0.0"]
CMD ["--source", "sample"]
