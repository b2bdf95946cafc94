import { boolean, ConfigOf, defineImage, duration, integer, listenParameters, path } from "../../kit";

export const declaration = defineImage({
    name: "topz",
    version: "1.0.0",
    summary: "Process view of a pod: CPU, memory and command line of every process in the shared PID namespace.",
    ports: { http: { host: "HOST", port: "PORT", meaning: "HTTP: the process view, health and metrics." } },
    routes: {
        "GET /topz":
            "The processes as a text table, or as JSON where Accept prefers it. Query: sort=cpu|memory|pid|command, " +
            "order=asc|desc, limit=1 to 10000, filter=text or /regular expression/.",
    },
    parameters: {
        ...listenParameters({ host: "0.0.0.0", port: 8081 }),
        PROC_ROOT: path({ default: "/proc", meaning: "Where the process file system is mounted." }),
        SAMPLE_INTERVAL: duration({
            default: "2s",
            min: "250ms",
            max: "5m",
            meaning: "Time between two samples; CPU use is the average over it.",
        }),
        MAX_GROUPS: integer({
            default: 50,
            min: 1,
            max: 1000,
            meaning: "Command names with metric series of their own; later ones count as the group `other`.",
        }),
        REQUIRE_SHARED_NAMESPACE: boolean({
            default: true,
            meaning: "Whether readiness needs processes of other containers to be visible.",
        }),
    },
});

export type TopzConfig = ConfigOf<typeof declaration>;
