import { readCommandLine, reportedAsConfiguration } from "./commandLine";
import type { Config, ConfigOf, ImageDeclaration, JobParameters, Parameters } from "./declaration";
import { exitCodes } from "./exitCodes";
import { exitOnUncaught, onStopSignal, signalExitCode } from "./lifecycle";
import { createLogger, Logger } from "./logging";

/** What a job works with. */
export interface JobContext<P extends Parameters> {
    readonly config: Config<P & JobParameters>;
    readonly log: Logger;
    /** Aborted by the first SIGTERM or SIGINT. */
    readonly signal: AbortSignal;
}

/**
 * Runs a one-shot job and ends the process: 0 when `work` is done, 1 when it throws, 78 when it throws a
 * `ConfigurationError`, 143 or 130 when a stop signal came before it was done.
 */
export async function runJob<P extends Parameters>(
    declaration: ImageDeclaration<P & JobParameters>,
    work: (context: JobContext<P>) => Promise<void>,
): Promise<void> {
    const config = await readCommandLine(declaration);
    if (config === undefined) return;
    const settings: ConfigOf<ImageDeclaration<JobParameters>> = config;
    const log = createLogger(declaration, settings);
    exitOnUncaught(log);
    const stopped = new AbortController();
    let stopCode: number | undefined;
    onStopSignal(log, (signal) => {
        stopCode = signalExitCode(signal);
        stopped.abort(new Error(`stopped by ${signal}`));
    });
    try {
        await work({ config, log, signal: stopped.signal });
        log.info("done");
        process.exitCode = exitCodes.ok;
    } catch (error) {
        if (stopCode !== undefined) process.exitCode = stopCode;
        else if (!reportedAsConfiguration(declaration, error)) {
            log.fatal({ err: error }, "failed");
            process.exitCode = exitCodes.failed;
        }
    }
    // Open handles of the work, such as kept connections, would hold the process.
    process.exit();
}
