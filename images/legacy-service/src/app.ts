import { setTimeout as delay } from "node:timers/promises";

import { createApp, ImageApp } from "../../kit";
import { declaration, LegacyServiceConfig } from "./declaration";

const MAX_DELAY_MS = 10_000;

/** The app, ready to listen. */
export function buildApp(config: LegacyServiceConfig): ImageApp {
    const app = createApp(declaration, config);
    app.get("/", async (_request, reply) => reply.type("text/plain; charset=utf-8").send(`${config.GREETING}\n`));
    app.get("/headers", async (request) => ({ remoteAddress: request.ip, headers: request.headers }));
    app.get<{ Querystring: { ms?: unknown } }>("/slow", async (request, reply) => {
        const given = request.query.ms;
        const ms = typeof given === "string" && /^\d{1,5}$/.test(given) ? Number(given) : NaN;
        if (!(ms <= MAX_DELAY_MS)) {
            const error = `ms is ${JSON.stringify(given)}; give a whole number from 0 to ${MAX_DELAY_MS}`;
            return reply.code(400).send({ error, requestId: request.id });
        }
        await delay(ms);
        return { ms };
    });
    return app;
}
