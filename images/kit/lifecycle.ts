import { constants } from "node:os";

import { exitCodes } from "./exitCodes";
import type { Logger } from "./logging";

export type StopSignal = "SIGTERM" | "SIGINT";

/** Logs what nobody caught and ends: a process in an unknown state must not go on. */
export function exitOnUncaught(log: Pick<Logger, "fatal">): void {
    for (const event of ["uncaughtException", "unhandledRejection"] as const) {
        process.on(event, (err: unknown) => {
            log.fatal({ err }, event);
            process.exit(exitCodes.failed);
        });
    }
}

/** Calls `stop` on the first SIGTERM or SIGINT; a second one ends the process at once. */
export function onStopSignal(log: Pick<Logger, "info" | "warn">, stop: (signal: StopSignal) => void): void {
    let stopping = false;
    const receive = (signal: StopSignal) => {
        if (stopping) {
            log.warn({ signal }, "second stop signal: ending at once");
            process.exit(signalExitCode(signal));
        }
        stopping = true;
        log.info({ signal }, "stopping");
        stop(signal);
    };
    process.on("SIGTERM", receive);
    process.on("SIGINT", receive);
}

/** What a shell reports for a process that ended by this signal. */
export function signalExitCode(signal: StopSignal): number {
    return 128 + constants.signals[signal];
}
