import { randomUUID } from "node:crypto";

import fastify, { FastifyBaseLogger, FastifyError, FastifyInstance, LogController } from "fastify";
import type { DestinationStream } from "pino";
import { collectDefaultMetrics, Histogram, Registry } from "prom-client";

import type { ConfigOf, ImageDeclaration, ServiceParameters } from "./declaration";
import { createLogger } from "./logging";
import { Readiness } from "./readiness";
import { continueTrace, TraceContext } from "./trace";

declare module "fastify" {
    interface FastifyInstance {
        /** Add the conditions here under which the service wants traffic. */
        readiness: Readiness;
        /** Registry of this app alone; register further metrics here. */
        metrics: Registry;
    }
    interface FastifyRequest {
        trace: TraceContext;
    }
}

/** A fastify instance with `readiness`, `metrics` and, on each request, `trace`. */
export type ImageApp = FastifyInstance;

/** Logged at debug level: probes and scrapes come every few seconds and say nothing new. */
const quietRoutes = new Set(["/livez", "/readyz", "/metrics"]);

/**
 * The app of a service before its own routes: health, metrics, access log, request ids, trace context.
 * It never listens by itself.
 *
 * @param destination receives the log lines. Default: standard output
 */
export function createApp(
    declaration: ImageDeclaration,
    config: ConfigOf<ImageDeclaration<ServiceParameters>>,
    destination?: DestinationStream,
): ImageApp {
    const app = fastify({
        loggerInstance: createLogger(declaration, config, destination) as FastifyBaseLogger,
        // The access log below is one line for a request, with the route's level.
        logController: new LogController({ requestIdLogLabel: "requestId", disableRequestLogging: true }),
        requestIdHeader: false,
        genReqId: (request) => acceptedRequestId(request.headers["x-request-id"]) ?? randomUUID(),
        // What still arrives on a kept connection during the drain is served; the answer closes the connection.
        return503OnClosing: false,
    });
    app.decorate("readiness", new Readiness());
    app.decorate("metrics", new Registry());
    app.decorateRequest("trace");

    app.addHook("onRequest", async (request, reply) => {
        request.trace = continueTrace(request.headers);
        const { traceId, spanId } = request.trace;
        request.log = reply.log = request.log.child({ traceId, spanId });
        reply.header("x-request-id", request.id);
    });
    app.addHook("onSend", async (_request, reply) => {
        // Clients with kept connections find a service that stays.
        if (app.readiness.draining) reply.header("connection", "close");
    });
    app.setErrorHandler<FastifyError>((error, request, reply) => {
        const status = error.statusCode && error.statusCode >= 400 ? error.statusCode : 500;
        if (status >= 500) request.log.error({ err: error }, "request failed");
        // The message of an unforeseen error may hold data that is not the caller's.
        const message = status >= 500 ? "the request failed; the log has the reason" : error.message;
        return reply.code(status).send({ error: message, requestId: request.id });
    });
    app.setNotFoundHandler((request, reply) =>
        reply.code(404).send({ error: `no route ${request.method} ${pathOf(request.url)}`, requestId: request.id }),
    );
    serveDeclaredRoutesOnly(app, declaration);
    logAndMeasure(app);
    serveHealth(app);
    return app;
}

/** Fails the start when the app's routes are not the declared ones: `--describe` must not lie. */
function serveDeclaredRoutesOnly(app: ImageApp, { routes }: ImageDeclaration): void {
    const served = new Set<string>();
    app.addHook("onRoute", ({ method, url }) => {
        for (const each of [method].flat()) served.add(`${each} ${url}`);
    });
    app.addHook("onReady", async () => {
        // Fastify adds a HEAD route to every GET route by itself.
        const undeclared = [...served].filter((route) => !(route in routes) && !route.startsWith("HEAD "));
        const missing = Object.keys(routes).filter((route) => !served.has(route));
        if (undeclared.length > 0) throw new Error(`served, but not declared: ${undeclared.join(", ")}`);
        if (missing.length > 0) throw new Error(`declared, but not served: ${missing.join(", ")}`);
    });
}

function acceptedRequestId(header: string | string[] | undefined): string | undefined {
    return typeof header === "string" && /^[\w.:/+=@-]{1,128}$/.test(header) ? header : undefined;
}

function pathOf(url: string): string {
    return url.split("?", 1)[0];
}

function logAndMeasure(app: ImageApp): void {
    collectDefaultMetrics({ register: app.metrics });
    const duration = new Histogram({
        name: "http_request_duration_seconds",
        help: "Time from a request's arrival to the end of its answer.",
        labelNames: ["method", "route", "status"],
        registers: [app.metrics],
    });
    app.addHook("onResponse", async (request, reply) => {
        const { method } = request;
        const route = request.routeOptions.url ?? "unmatched";
        const status = reply.statusCode;
        duration.observe({ method, route, status }, reply.elapsedTime / 1000);
        // The path without its query, which may hold what does not belong in a log.
        const line = { method, path: pathOf(request.url), route, status, ms: Math.round(reply.elapsedTime) };
        request.log[quietRoutes.has(route) ? "debug" : "info"](line, "request");
    });
}

function serveHealth(app: ImageApp): void {
    app.get("/livez", async () => ({ status: "alive" }));
    app.get("/readyz", async (_request, reply) => {
        const report = await app.readiness.report();
        return reply.code(report.status === "ready" ? 200 : 503).send(report);
    });
    app.get("/metrics", async (_request, reply) => {
        const text = await app.metrics.metrics();
        return reply.type(app.metrics.contentType).send(text);
    });
}
