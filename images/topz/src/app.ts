import { Gauge } from "prom-client";

import { createApp, ImageApp } from "../../kit";
import { preferredType } from "./accept";
import { declaration, TopzConfig } from "./declaration";
import { GroupMetrics } from "./groups";
import { parseQuery, select } from "./query";
import { Sampler } from "./sampler";
import { renderTable } from "./table";

const TYPES = ["text/plain", "application/json"] as const;

/** The app, ready to listen; it samples from its start to its end. */
export function buildApp(config: TopzConfig): ImageApp {
    const app = createApp(declaration, config);
    const groups = new GroupMetrics(app.metrics, config.MAX_GROUPS);
    const sampler = new Sampler({
        root: config.PROC_ROOT,
        intervalMs: config.SAMPLE_INTERVAL,
        onSample: (snapshot) => groups.observe(snapshot),
        onError: (err) => app.log.error({ err }, "sample failed"),
    });
    app.addHook("onReady", () => sampler.start());
    app.addHook("onClose", async () => sampler.stop());
    addReadiness(app, sampler, config);
    addSampleMetric(app, sampler);

    app.get<{ Querystring: Record<string, unknown> }>("/topz", async (request, reply) => {
        const query = parseQuery(request.query);
        const type = preferredType(request.headers.accept, TYPES);
        reply.header("vary", "accept");
        if (type === undefined) {
            const error = `Accept is ${JSON.stringify(request.headers.accept)}; give ${TYPES.join(" or ")}`;
            return reply.code(406).send({ error, requestId: request.id });
        }
        const snapshot = sampler.latest;
        if (!snapshot) return reply.code(503).send({ error: "no sample yet", requestId: request.id });
        const { matching, processes } = select(snapshot.processes, query);
        reply.type(`${type}; charset=utf-8`);
        if (type === "text/plain") return renderTable(processes);
        return { sampledAt: snapshot.takenAt, visible: snapshot.processes.length, matching, processes };
    });
    return app;
}

function addReadiness(app: ImageApp, sampler: Sampler, config: TopzConfig): void {
    app.readiness.add("samples", () => {
        // One failed or slow sample is no reason to leave.
        if (sampler.age <= 3 * config.SAMPLE_INTERVAL + 1000) return undefined;
        return `no sample of ${config.PROC_ROOT} for more than three times SAMPLE_INTERVAL`;
    });
    if (!config.REQUIRE_SHARED_NAMESPACE) return;
    app.readiness.add("shared-namespace", () =>
        sampler.latest?.sharedNamespace
            ? undefined
            : "only this container's own process is visible: set shareProcessNamespace: true",
    );
}

function addSampleMetric(app: ImageApp, sampler: Sampler): void {
    new Gauge({
        name: "topz_last_sample_timestamp_seconds",
        help: "When the values were sampled, in seconds since 1970.",
        registers: [app.metrics],
        collect() {
            if (sampler.latest) this.set(sampler.latest.takenAt.getTime() / 1000);
        },
    });
}
