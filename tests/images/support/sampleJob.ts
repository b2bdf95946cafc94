import { once } from "node:events";

import { ConfigurationError, defineJob, enumeration, runJob } from "../../../images/kit";

const declaration = defineJob({
    name: "sample-job",
    version: "1.0.0",
    summary: "Ends in every way a job can end.",
    parameters: {
        END: enumeration({ values: ["done", "failed", "misconfigured", "stopped"], meaning: "How the job ends." }),
    },
});

void runJob(declaration, async ({ config, log, signal }) => {
    if (config.END === "failed") throw new Error("failed on purpose");
    if (config.END === "misconfigured") throw new ConfigurationError(["END is wrong together with another"]);
    if (config.END === "stopped") {
        const keepsAlive = setInterval(() => undefined, 1000);
        log.info("waiting");
        await once(signal, "abort");
        clearInterval(keepsAlive);
        throw signal.reason;
    }
});
