import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

import { boolean, createApp, defineImage, duration, listenParameters, startImage } from "../../../images/kit";

/** A service that shows every behaviour of the kit. */
export const declaration = defineImage({
    name: "sample-service",
    version: "1.2.0",
    summary: "Shows the kit's behaviour.",
    ports: { http: { host: "HOST", port: "PORT", meaning: "HTTP." } },
    routes: {
        "GET /slow": "Answers after a while.",
        "GET /stream": "Answers in two parts with a while between them.",
        "GET /crash": "Throws outside of any request.",
        "GET /fail": "Throws within the request.",
        "GET /trace": "The request's trace context.",
    },
    parameters: {
        ...listenParameters({ host: "127.0.0.1", port: 8080 }),
        ANSWER_AFTER: duration({ default: "1s", meaning: "Delay of /slow." }),
        READY: boolean({ default: true, meaning: "Whether the check `sample` passes." }),
        DECLARED_ONLY: boolean({ default: true, meaning: "Whether no other route than the declared ones is served." }),
    },
});

if (require.main === module) {
    void startImage(declaration, (config) => {
        const app = createApp(declaration, config);
        app.readiness.add("sample", () => (config.READY ? undefined : "READY is false"));
        app.get("/slow", async () => {
            app.log.info("slow request arrived");
            await delay(config.ANSWER_AFTER);
            return { done: true };
        });
        app.get("/stream", async (_request, reply) =>
            reply.type("text/plain").send(Readable.from(parts(config.ANSWER_AFTER))),
        );
        app.get("/crash", async () => {
            setTimeout(() => {
                throw new Error("crashed on purpose");
            });
            return {};
        });
        app.get("/fail", async () => {
            throw new Error("the password is hunter2");
        });
        app.get("/trace", async (request) => request.trace);
        if (!config.DECLARED_ONLY) app.post("/extra", async () => ({}));
        return app;
    });
}

async function* parts(pauseMs: number) {
    yield "begin";
    await delay(pauseMs);
    yield "end";
}
