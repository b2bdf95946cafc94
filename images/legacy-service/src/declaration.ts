import { ConfigOf, defineImage, listenParameters, string } from "../../kit";

export const declaration = defineImage({
    name: "legacy-service",
    version: "1.0.0",
    summary: "A plain-HTTP service bound to localhost, as an old application that knows no TLS.",
    ports: { http: { host: "HOST", port: "PORT", meaning: "Plain HTTP, for a sidecar in the same pod." } },
    routes: {
        "GET /": "GREETING as plain text.",
        "GET /headers": "JSON of the request as it arrived: remote address and headers.",
        "GET /slow": "Answers after `ms` milliseconds, 0 to 10000, as JSON.",
    },
    parameters: {
        ...listenParameters({ host: "127.0.0.1", port: 8080 }),
        GREETING: string({ default: "Hello from the legacy service", meaning: "Text that GET / answers." }),
    },
});

export type LegacyServiceConfig = ConfigOf<typeof declaration>;
