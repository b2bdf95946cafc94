import { setTimeout as delay } from "node:timers/promises";

import type { ImageApp } from "./app";
import { readCommandLine, reportedAsConfiguration } from "./commandLine";
import type { Config, ConfigOf, ImageDeclaration, Parameters, ServiceParameters } from "./declaration";
import { exitCodes } from "./exitCodes";
import { exitOnUncaught, onStopSignal } from "./lifecycle";
import { createLogger } from "./logging";

type DrainTimes = Pick<ConfigOf<ImageDeclaration<ServiceParameters>>, "DRAIN_DELAY" | "DRAIN_TIMEOUT">;

/**
 * Runs a service for the life of this process: arguments, configuration, listening, and an end in order.
 * `buildApp` may throw a `ConfigurationError` for what only all parameters together show.
 */
export async function startImage<P extends Parameters>(
    declaration: ImageDeclaration<P & ServiceParameters>,
    buildApp: (config: Config<P & ServiceParameters>) => ImageApp | Promise<ImageApp>,
): Promise<void> {
    const config = await readCommandLine(declaration);
    if (config === undefined) return;
    const settings: ConfigOf<ImageDeclaration<ServiceParameters>> = config;
    const log = createLogger(declaration, settings);
    exitOnUncaught(log);
    const started = start(declaration, config, buildApp);
    onStopSignal(log, () => void started.then((app) => drain(app, settings)));
    try {
        await started;
    } catch (error) {
        if (!reportedAsConfiguration(declaration, error)) {
            log.fatal({ err: error }, "not started");
            process.exitCode = exitCodes.failed;
        }
        // Whatever was begun before the failure would keep the process alive.
        process.exit();
    }
}

async function start<P extends Parameters>(
    declaration: ImageDeclaration<P & ServiceParameters>,
    config: Config<P & ServiceParameters>,
    buildApp: (config: Config<P & ServiceParameters>) => ImageApp | Promise<ImageApp>,
): Promise<ImageApp> {
    const app = await buildApp(config);
    const { host, port } = declaration.ports.http;
    const values = config as Record<string, unknown>;
    await app.listen({ host: values[host] as string, port: values[port] as number });
    return app;
}

/** Ends the process: not ready at once, closed to connections after the delay, done when the last answer is out. */
async function drain(app: ImageApp, times: DrainTimes): Promise<void> {
    app.readiness.drain();
    await delay(times.DRAIN_DELAY);
    setTimeout(() => {
        app.log.error("requests or closing hooks were not done within DRAIN_TIMEOUT");
        process.exit(exitCodes.failed);
    }, times.DRAIN_TIMEOUT);
    // An answer that began before the drain leaves its connection open and idle, and that would hold the server.
    setInterval(() => app.server.closeIdleConnections(), 50);
    await app.close();
    app.log.info("stopped");
    process.exit(exitCodes.ok);
}
