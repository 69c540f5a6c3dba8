# syntax=docker/dockerfile:1

# Everything that building takes; also the image of the `load` profile in docker-compose.yml, which needs autocannon.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json vite.worker.config.ts ./
COPY scripts ./scripts
COPY src ./src
COPY routes ./routes
COPY bench ./bench
COPY test/oracle ./test/oracle
COPY console ./console
COPY report ./report
RUN npm run build

FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    GOHEAP_DATA_DIR=/var/lib/goheap
COPY package.json LICENSE README.md CHANGELOG.md ./
COPY docs ./docs
COPY examples ./examples
COPY --from=modules /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/routes ./dist/routes
COPY --from=build /app/dist/console ./dist/console
COPY --from=build /app/dist/report ./dist/report
# The image's own user, without a home worth writing to. Replays are the only thing that the server writes.
RUN install -d -o node -g node -m 700 /var/lib/goheap
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8080) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SHUTDOWN_GRACE (10s) and what ending the heaps takes must fit into the engine's stop timeout.
STOPSIGNAL SIGTERM
CMD ["node", "dist/src/cli.js", "serve"]
