# The commands of pazpaz-keys, for jobs such as `maintain` (docs/maintenance.md): npm ci && npm run build first.
# The container runs as a user without rights, and needs no writable file system.
# checkov:skip=CKV_DOCKER_7: the default of BASE names a version.
ARG BASE=node:24-slim
FROM ${BASE}
WORKDIR /app
COPY package.json ./
COPY bin ./bin
COPY dist/cli ./dist/cli
ENV NODE_ENV=production
USER 65532:65532
# Whether the program starts. How a job fares, its exit code says; Kubernetes and ECS do not run this.
HEALTHCHECK --interval=5m CMD ["node", "/app/bin/pazpaz-keys.mjs", "--version"]
ENTRYPOINT ["node", "/app/bin/pazpaz-keys.mjs"]
CMD ["--help"]
