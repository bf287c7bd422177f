# oort in an image of one static binary: no shell, no package manager, not root.
#
#   docker build -t oort .
#   docker run --rm oort version
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# -buildvcs=false: the repository itself is not copied (.dockerignore), so there
# is no revision to record.
RUN CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags='-s -w' -o /root-fs/oort . \
 && mkdir -p /root-fs/data /root-fs/tmp /root-fs/etc/ssl/certs \
 && chmod 1777 /root-fs/tmp \
 && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && chown 65532:65532 /root-fs/data

FROM scratch
COPY --from=build /root-fs/ /
# A number and not a name: there is no /etc/passwd, and an orchestrator can see
# from it that the user is not root.
USER 65532:65532
# /data for `oort serve --data /data`; mount a volume there.
WORKDIR /data
# 3101 TCP links, 3102 WebSocket links, 3109 comet gRPC, 3110 admin,
# 3111 logic HTTP, 3119 logic gRPC.
EXPOSE 3101 3102 3109 3110 3111 3119
STOPSIGNAL SIGTERM
ENTRYPOINT ["/oort"]
CMD ["--help"]
