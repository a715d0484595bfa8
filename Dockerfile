# The SageMaker container: one static binary and nothing else. Build the binary first, then the image:
#   CGO_ENABLED=0 go build -trimpath -tags nomsgpack -ldflags='-s -w' -o dist/rehead ./cmd/rehead
#   (with -tags nomsgpack,avif,nodynamic it reads AVIF, too: docs/pictures.md)
#   docker build -t rehead .        (or: buildah bud -t rehead .)
# It trains with `docker run -v DIR:/opt/ml rehead train` and serves with `docker run -p 8080:8080 -v DIR:/opt/ml rehead serve`.
FROM scratch
LABEL org.opencontainers.image.title=rehead \
      org.opencontainers.image.description="trains a softmax head on a frozen InceptionV3 and serves it" \
      org.opencontainers.image.licenses=Apache-2.0 \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.multi-models=true
# The binary of this platform; another one for another platform: --platform linux/arm64 --build-arg BINARY=dist/rehead-arm64.
# One recipe for several: --platform linux/amd64,linux/arm64 --build-arg PER_ARCH=1 takes dist/rehead-amd64 and dist/rehead-arm64.
ARG BINARY=dist/rehead
ARG PER_ARCH
ARG TARGETARCH
COPY ${BINARY}${PER_ARCH:+-${TARGETARCH}} /rehead
COPY LICENSE cmd/rehead/licences/third_party.txt /licenses/
# Makes /tmp, where RecordIO is unpacked and a job of several hosts keeps what arrives.
WORKDIR /tmp
# The service runs the image as root and mounts over /opt/ml; elsewhere any user will do, and no path needs to be writable.
ENV HOME=/tmp
EXPOSE 8080
ENTRYPOINT ["/rehead"]
