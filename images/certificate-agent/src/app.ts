import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { DestinationStream } from "pino";

import { ConfigurationError, createApp, ImageApp } from "../../kit";
import { KubernetesClient } from "../../kit/kubernetes";
import { CertificateAgent } from "./agent";
import { AgentConfig, declaration } from "./declaration";
import { drainingFile, renderNginxConfig } from "./nginx";
import { Publisher } from "./publisher";
import { renderScript } from "./script";
import { apiSource, Source, volumeSource } from "./sources";

/**
 * The agent: nginx's configuration is written before this returns, the certificate is followed until the app closes.
 *
 * @throws ConfigurationError when a parameter that another one requires is missing
 */
export function buildApp(config: AgentConfig, destination?: DestinationStream): ImageApp {
    const app = createApp(declaration, config, destination);
    const stopped = new AbortController();
    const source = sourceOf(config, app);
    const publisher = new Publisher(config.RUN_DIR);
    replaceFile(join(config.RUN_DIR, "sidecar.js"), renderScript(config));
    // A restart of this container alone runs its `preStop` hook too, and then the pod does not end.
    rmSync(drainingFile(config), { force: true });
    replaceFile(join(config.RUN_DIR, "nginx.conf"), renderNginxConfig(config));

    const agent = new CertificateAgent(publisher, app.log, app.metrics);
    app.readiness.add("certificate", () => agent.notReadyReason());
    const running = agent.run(source, stopped.signal);
    app.addHook("onClose", async () => {
        stopped.abort();
        await running;
    });
    return app;
}

function sourceOf(config: AgentConfig, app: ImageApp): Source {
    if (config.SOURCE === "volume") return volumeSource(config.SECRET_DIR);
    if (config.SECRET_NAME === "") {
        throw new ConfigurationError(["SECRET_NAME is not set; give the name of the Secret, which SOURCE=api watches"]);
    }
    const client = new KubernetesClient();
    app.addHook("onClose", () => client.close());
    return apiSource(client, config.SECRET_NAME, (error) =>
        app.log.warn(`watching Secret ${config.SECRET_NAME} failed, trying again: ${error.message}`),
    );
}

/** nginx may start at any moment: it sees a whole file or none. */
function replaceFile(file: string, content: string): void {
    writeFileSync(`${file}.next`, content, { mode: 0o640 });
    renameSync(`${file}.next`, file);
}
