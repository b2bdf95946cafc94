import pino from "pino";

import type { ConfigOf, ImageDeclaration, JobParameters } from "./declaration";

export type Logger = pino.Logger;

/** JSON lines on standard output: `level` as a word, `time` in ISO 8601, `image`, `msg` and what the caller adds. */
export function createLogger(
    declaration: ImageDeclaration,
    config: ConfigOf<ImageDeclaration<JobParameters>>,
    destination?: pino.DestinationStream,
): Logger {
    return pino(
        {
            level: config.LOG_LEVEL,
            base: { image: declaration.name },
            timestamp: pino.stdTimeFunctions.isoTime,
            formatters: { level: (level) => ({ level }) },
        },
        // Synchronous, so that the last line before an exit is not lost.
        destination ?? pino.destination({ dest: 1, sync: true }),
    );
}
